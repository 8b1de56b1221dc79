//go:build unix

package socket

import (
	"errors"
	"io"
	"syscall"
)

const canTry = true

// try writes to a descriptor that does not block. It always returns true: there is no waiting.
func (w *Writer) try(fd uintptr) bool {
	for len(w.b) > 0 {
		n, err := syscall.Write(int(fd), w.b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return true
		case err != nil:
			w.err = err
			return true
		case n == 0:
			w.err = io.ErrUnexpectedEOF
			return true
		}
		w.b = w.b[n:]
	}
	return true
}

// try reads from a descriptor that does not block; false: there is nothing yet.
func (r *Reader) try(fd uintptr) bool {
	b := readBuffers.Get().(*[]byte)
	for {
		n, err := syscall.Read(int(fd), *b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			readBuffers.Put(b)
			return false
		}
		r.b, r.n, r.err = b, max(n, 0), err
		return true
	}
}
