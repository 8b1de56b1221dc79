package worker

import (
	"sync"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// A stream's buffer for reading: what it has while little comes, and while much does. A message that is larger still has
// one of largeBuffers while it comes.
const (
	smallBuffer = 4 << 10
	busyBuffer  = 16 << 10
)

// largeBuffers are those that no stream has.
var largeBuffers = sync.Pool{New: func() any { return new([turn.MaxFrame]byte) }}

// intake is what has come on a stream and was not handled. Messages are handled where they came in.
type intake struct {
	buf      []byte
	from, to int                  // what has come
	own      []byte               // buf, unless it is large
	large    *[turn.MaxFrame]byte // buf, or nil
	full     bool                 // the last read filled the buffer
}

func newIntake() intake {
	own := make([]byte, smallBuffer)
	return intake{buf: own, own: own}
}

// bytes returns what has come.
func (in *intake) bytes() []byte { return in.buf[in.from:in.to] }

// free returns room for what comes next: at least one byte, if what has come is no whole message.
func (in *intake) free() []byte {
	if in.from == in.to {
		in.from, in.to = 0, 0
		in.settle()
		if in.full && len(in.own) < busyBuffer {
			in.own = make([]byte, busyBuffer)
			in.buf = in.own
		}
		return in.buf
	}
	if in.from > 0 && 2*in.to > len(in.buf) {
		in.from, in.to = 0, copy(in.buf, in.buf[in.from:in.to])
	}
	if in.to == len(in.buf) {
		in.grow()
	}
	return in.buf[in.to:]
}

// came says that so many bytes came into what free returned.
func (in *intake) came(n int) {
	in.to += n
	in.full = in.to == len(in.buf)
}

// grow makes room behind a message that fills the buffer.
func (in *intake) grow() {
	whole := in.bytes()
	if len(in.buf) < busyBuffer {
		in.own = make([]byte, busyBuffer)
		in.buf = in.own
	} else {
		in.large = largeBuffers.Get().(*[turn.MaxFrame]byte)
		in.buf = in.large[:]
	}
	in.from, in.to = 0, copy(in.buf, whole)
}

// settle gives a large buffer back. Nothing is in it.
func (in *intake) settle() {
	if in.large != nil {
		largeBuffers.Put(in.large)
		in.large, in.buf, in.full = nil, in.own, false
	}
}

// rest gives back what was needed while much came. What has come stays.
func (in *intake) rest() {
	if in.from == in.to && len(in.buf) > smallBuffer {
		in.settle()
		in.own = make([]byte, smallBuffer)
		in.buf, in.from, in.to, in.full = in.own, 0, 0, false
	}
}
