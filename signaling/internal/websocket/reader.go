package websocket

import (
	"encoding/binary"
	"errors"
	"runtime"

	"github.com/parley-rtc/parley/signaling/internal/socket"
)

const (
	maxControl    = 125  // bytes of a control frame, RFC 6455 section 5.5
	closeProtocol = 1002 // close code of a protocol error, RFC 6455 section 7.4.1
)

// The opcodes (RFC 6455 section 11.8).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

var (
	// ErrTooLarge says that a message was larger than the limit.
	ErrTooLarge = errors.New("websocket: message too large")

	// errProtocol says that what came was no frame as a client has to send it.
	errProtocol = errors.New("websocket: protocol error")

	// errClosed says that the client has said goodbye.
	errClosed = errors.New("websocket: closed by the client")
)

// SaidGoodbye says of an error of [Conn.Each] that a close frame was given to Answer, after which the connection is
// to be closed.
func SaidGoodbye(err error) bool { return errors.Is(err, errClosed) || errors.Is(err, errProtocol) }

// reader reads messages (RFC 6455 section 5). It has a buffer only while something comes in.
type reader struct {
	socket.Reader
	buf     *[]byte // nil between messages
	at, end int     // what of it is read and not yet handled

	message   []byte // fragments so far
	fragments byte   // opcode of the message that they are of; 0: none
}

// each has h handle the payload of every data message, nil for one that is not text, and c every
// control frame, and has h settle before it waits for more, until there is an error. What they
// get is only valid until they return.
func (r *reader) each(limit int, h Handler, c *Conn) error {
	for {
		if err := r.fill(); err != nil {
			return err
		}
		for {
			more, err := r.frame(limit, h, c)
			if !more || err != nil {
				h.Settle() // also what came with a goodbye
			}
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
		// A client that is quick enough would never have its reader wait, and the acknowledgement of another
		// would come too late.
		runtime.Gosched()
	}
}

// fill waits for more, in a buffer of its own if some of a frame is there already.
func (r *reader) fill() (err error) {
	if r.at == r.end {
		socket.Free(r.buf)
		r.at, r.end = 0, 0
		if r.buf, r.end, err = r.Next(); err != nil {
			socket.Free(r.buf)
			r.buf, r.end = nil, 0
		}
		return err
	}
	if r.at > 0 {
		r.end = copy(*r.buf, (*r.buf)[r.at:r.end])
		r.at = 0
	}
	if r.end == len(*r.buf) {
		larger := make([]byte, 2*len(*r.buf))
		copy(larger, *r.buf)
		socket.Free(r.buf)
		r.buf = &larger
	}
	n, err := r.Read((*r.buf)[r.end:])
	r.end += n
	return err
}

// frame handles the frame at hand, if all of it is there.
func (r *reader) frame(limit int, h Handler, c *Conn) (more bool, err error) {
	b := (*r.buf)[r.at:r.end]
	if len(b) < 2 {
		return false, nil
	}
	const final, reserved, masked, length16, length64 = 0x80, 0x70, 0x80, 126, 127
	opcode, size, head := b[0]&0xf, uint64(b[1]&^masked), 2
	if b[0]&reserved != 0 || b[1]&masked == 0 {
		return false, errProtocol
	}
	switch size {
	case length16:
		if head = 4; len(b) < head {
			return false, nil
		}
		size = uint64(binary.BigEndian.Uint16(b[2:]))
	case length64:
		if head = 10; len(b) < head {
			return false, nil
		}
		size = binary.BigEndian.Uint64(b[2:])
	}
	switch isControl := opcode >= opClose; {
	case isControl && (size > maxControl || b[0]&final == 0):
		return false, errProtocol
	case !isControl && size+uint64(len(r.message)) > uint64(limit), size > 1<<62:
		return false, ErrTooLarge
	case len(b) < head+4+int(size):
		return false, nil
	}
	payload := b[head+4 : head+4+int(size)]
	unmask(payload, [4]byte(b[head:head+4]))
	r.at += head + 4 + int(size)
	if opcode >= opClose {
		if opcode > opPong {
			return false, errProtocol
		}
		return true, c.control(opcode, payload)
	}
	return true, r.data(opcode, b[0]&final != 0, payload, h)
}

// data handles a data frame: a message, or a fragment of one.
func (r *reader) data(opcode byte, final bool, payload []byte, h Handler) error {
	if opcode > opBinary || (opcode == opContinuation) != (r.fragments != 0) {
		return errProtocol
	}
	if opcode == opContinuation || !final {
		r.message = append(r.message, payload...)
		r.fragments = max(r.fragments, opcode)
		if !final {
			return nil
		}
		payload, opcode = r.message, r.fragments
		r.message, r.fragments = nil, 0
	}
	if opcode != opText {
		payload = nil // no frame of ours
	}
	h.Message(payload)
	return nil
}

// unmask undoes the client's masking (RFC 6455 section 5.3).
func unmask(b []byte, mask [4]byte) {
	word := uint64(binary.LittleEndian.Uint32(mask[:]))
	word |= word << 32
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^word)
	}
	for i := range b {
		b[i] ^= mask[i&3]
	}
}
