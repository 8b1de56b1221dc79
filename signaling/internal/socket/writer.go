// Package socket writes to connections that were taken over from net/http: at once,
// as much as the kernel takes, by whoever has something for a client, and only when that is not
// enough with a goroutine that waits. An idle connection has no timer and no buffer.
package socket

import (
	"net"
	"syscall"
	"time"
)

const (
	writeTime = 10 * time.Second // for each piece
	piece     = 32 << 10         // bytes
)

// Writer writes to a connection. Its methods are for one goroutine at a time, but the
// connection may be closed by any.
type Writer struct {
	conn net.Conn
	raw  syscall.RawConn // nil: the connection cannot write without waiting

	attempt func(fd uintptr) bool // method value of try, made once
	b       []byte                // what try is to write, and then what is left
	err     error                 // of try
}

// NewWriter returns a writer to conn.
func NewWriter(conn net.Conn) *Writer {
	w := new(Writer)
	w.Init(conn)
	return w
}

// Init makes w a writer to conn. It must not be copied then.
func (w *Writer) Init(conn net.Conn) {
	w.conn = conn
	if raw := rawOf(conn); raw != nil {
		w.raw, w.attempt = raw, w.try
	}
}

// Try writes what can be written without waiting, and returns what is left of b.
func (w *Writer) Try(b []byte) (rest []byte, err error) {
	if w.raw == nil {
		return b, nil
	}
	w.b, w.err = b, nil
	err = w.raw.Write(w.attempt)
	if err == nil {
		err = w.err
	}
	rest, w.b = w.b, nil
	return rest, err
}

// Write writes b; each piece of 32 KiB has 10 s.
func (w *Writer) Write(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), piece)
		if err := w.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		if _, err := w.conn.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return w.conn.SetWriteDeadline(time.Time{})
}
