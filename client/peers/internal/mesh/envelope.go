package mesh

import "encoding/binary"

const (
	hopsMost = 8   // how often an envelope to one is passed on at most
	headSize = 9   // bytes before the names
	nameMost = 255 // bytes of a peer id
)

// OneMost is the most bytes of a message to one that others pass on.
const OneMost = 64 << 10

// HeadMost is the most bytes that an envelope has in front of its message.
const HeadMost = headSize + 1 + nameMost + 1 + 1 + nameMost

// sort is what an envelope says.
type sort byte

const (
	message sort = iota // of the app
	here
	who
	lost
)

// envelope is what is passed on from peer to peer.
type envelope struct {
	sort    sort
	run     uint32 // the hash of the origin's instance
	n       uint32
	origin  string
	to      string // "": to all
	hops    byte   // how often it may yet be passed on, if it is to one
	payload []byte
}

func (e envelope) encode() []byte {
	b := make([]byte, 0, headSize+1+len(e.origin)+2+len(e.to)+len(e.payload))
	kind := byte(e.sort) << 1
	if e.to != "" {
		kind |= 1
	}
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, e.run)
	b = binary.BigEndian.AppendUint32(b, e.n)
	b = append(append(b, byte(len(e.origin))), e.origin...)
	if e.to != "" {
		b = append(append(b, e.hops, byte(len(e.to))), e.to...)
	}
	return append(b, e.payload...)
}

// read reads an envelope, whose payload is part of b; ok is false when it cannot be read.
func read(b []byte) (e envelope, ok bool) {
	if len(b) < headSize || b[0] > 7 {
		return e, false
	}
	e = envelope{sort: sort(b[0] >> 1), run: binary.BigEndian.Uint32(b[1:]), n: binary.BigEndian.Uint32(b[5:])}
	isToOne := b[0]&1 == 1
	b = b[headSize:]
	name := func() string {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return ""
		}
		text := string(b[1 : 1+int(b[0])])
		b = b[1+len(text):]
		return text
	}
	if e.origin = name(); e.origin == "" {
		return e, false
	}
	if isToOne {
		if len(b) == 0 || b[0] > hopsMost {
			return e, false
		}
		e.hops, b = b[0], b[1:]
		if e.to = name(); e.to == "" || len(b) > OneMost {
			return e, false
		}
	}
	e.payload = b
	return e, true
}

// spend takes one hop off an envelope to one, which can be read; false when none is left.
func spend(b []byte) bool {
	hops := &b[headSize+1+int(b[headSize])]
	if *hops == 0 {
		return false
	}
	*hops--
	return true
}
