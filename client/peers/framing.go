package peers

import (
	"encoding/binary"
	"slices"

	"github.com/parley-rtc/parley/client/peers/internal/mesh"
)

const (
	chunkSize       = 16 << 10 // the most bytes given to a data channel at once
	wholeHeader     = 1
	fragmentHeader  = 13
	fragmentPayload = chunkSize - fragmentHeader
	incompleteLimit = 32 // messages that may be incomplete at once; beyond that the oldest is given up
)

// The first byte of what goes through a data channel.
const (
	whole     = 0
	fragment  = 1 // then the message's id, the fragment's index and the message's size, 32 bits each
	enveloped = 2 // beside the others: the message is an envelope
)

// chunker cuts one message into what a data channel is given.
type chunker struct {
	message  []byte
	envelope bool
	id       uint32
	index    uint32
	done     bool
}

// next returns the next chunk, in buf, which has room for chunkSize bytes; nil after the last one.
func (c *chunker) next(buf []byte) []byte {
	var kind byte
	if c.envelope {
		kind = enveloped
	}
	switch {
	case c.done:
		return nil
	case len(c.message) < chunkSize:
		c.done = true
		return append(append(buf[:0], kind|whole), c.message...)
	}
	start := int(c.index) * fragmentPayload
	end := min(start+fragmentPayload, len(c.message))
	buf = append(buf[:0], kind|fragment)
	buf = binary.BigEndian.AppendUint32(buf, c.id)
	buf = binary.BigEndian.AppendUint32(buf, c.index)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(c.message)))
	c.index++
	c.done = end == len(c.message)
	return append(buf, c.message[start:end]...)
}

// reassembly puts the messages of one channel together again. What it holds is bounded, and what is
// malformed is dropped.
type reassembly struct {
	limit      int // bytes of one message, and of all incomplete ones together
	incomplete map[uint32]*incomplete
	order      []uint32 // of incomplete, the oldest first
	held       int      // bytes
}

type incomplete struct {
	size     int
	envelope bool
	bytes    int // that came
	parts    map[uint32][]byte
}

// take takes what a channel received, which it keeps, and returns a message when one is complete, and whether that is an envelope; nil while
// it is not.
func (r *reassembly) take(chunk []byte) (message []byte, envelope bool, err error) {
	if len(chunk) == 0 || chunk[0] > enveloped|fragment {
		return nil, false, ErrMessageDropped
	}
	envelope = chunk[0]&enveloped != 0
	limit := r.limit
	if envelope {
		limit += mesh.HeadMost
	}
	switch {
	case chunk[0]&fragment == whole && len(chunk)-wholeHeader <= limit:
		return chunk[wholeHeader:], envelope, nil
	case chunk[0]&fragment != whole && len(chunk) > fragmentHeader:
		message, err = r.fragment(chunk, limit, envelope)
		return message, envelope, err
	}
	return nil, false, ErrMessageDropped
}

func (r *reassembly) fragment(chunk []byte, limit int, envelope bool) ([]byte, error) {
	id := binary.BigEndian.Uint32(chunk[1:])
	index := binary.BigEndian.Uint32(chunk[5:])
	size := int64(binary.BigEndian.Uint32(chunk[9:]))
	part := chunk[fragmentHeader:]
	if size > int64(limit) || int64(len(part)) != min(fragmentPayload, size-int64(index)*fragmentPayload) {
		return nil, ErrMessageDropped
	}
	m := r.incomplete[id]
	if m == nil {
		m = r.begin(id, int(size), envelope)
	}
	if m.size != int(size) || m.envelope != envelope {
		return nil, ErrMessageDropped
	}
	if _, twice := m.parts[index]; twice {
		return nil, nil
	}
	for r.held+len(part) > r.limit && len(r.incomplete) > 1 {
		r.forget(r.order[0])
	}
	if r.incomplete[id] != m {
		return nil, nil // it was the oldest itself
	}
	m.parts[index] = part
	m.bytes += len(part)
	r.held += len(part)
	if m.bytes < m.size {
		return nil, nil
	}
	message := make([]byte, m.size)
	for i, p := range m.parts {
		copy(message[int(i)*fragmentPayload:], p)
	}
	r.forget(id)
	return message, nil
}

func (r *reassembly) begin(id uint32, size int, envelope bool) *incomplete {
	if len(r.incomplete) >= incompleteLimit {
		r.forget(r.order[0])
	}
	if r.incomplete == nil {
		r.incomplete = map[uint32]*incomplete{}
	}
	m := &incomplete{size: size, envelope: envelope, parts: map[uint32][]byte{}}
	r.incomplete[id] = m
	r.order = append(r.order, id)
	return m
}

func (r *reassembly) forget(id uint32) {
	r.held -= r.incomplete[id].bytes
	delete(r.incomplete, id)
	i := slices.Index(r.order, id)
	r.order = slices.Delete(r.order, i, i+1)
}
