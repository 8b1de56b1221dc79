package socket

import (
	"io"
	"net"
	"sync"
	"syscall"
)

const (
	readBuffer = 16 << 10
	waitBuffer = 512 // of a connection that cannot be waited for without a buffer
)

var readBuffers = sync.Pool{New: func() any { b := make([]byte, readBuffer); return &b }}

// Reader waits for what comes in without keeping a buffer meanwhile. It is for one goroutine.
type Reader struct {
	conn net.Conn
	raw  syscall.RawConn // nil: the connection cannot be waited for so

	attempt func(fd uintptr) bool // method value of try, made once
	b       *[]byte               // what try has read into
	n       int
	err     error
}

// Init makes r a reader of conn. It must not be copied then.
func (r *Reader) Init(conn net.Conn) {
	r.conn = conn
	if raw := rawOf(conn); raw != nil {
		r.raw, r.attempt = raw, r.try
	}
}

// Next waits until something has come in, and returns a buffer that begins with n bytes of it. The
// buffer goes back to Free.
func (r *Reader) Next() (b *[]byte, n int, err error) {
	if r.raw == nil {
		small := make([]byte, waitBuffer)
		if n, err = r.conn.Read(small); n > 0 {
			err = nil // if it stays, the next call finds it
		}
		return &small, n, err
	}
	r.n, r.err = 0, nil
	err = r.raw.Read(r.attempt)
	b, r.b = r.b, nil
	switch {
	case err != nil:
	case r.err != nil:
		err = r.err
	case r.n == 0:
		err = io.EOF
	}
	return b, r.n, err
}

// Read reads more into b, waiting for it.
func (r *Reader) Read(b []byte) (int, error) { return r.conn.Read(b) }

// Free takes a buffer back; nil is none.
func Free(b *[]byte) {
	if b != nil && len(*b) == readBuffer {
		readBuffers.Put(b)
	}
}
