// Package eventstream moves frames over server-sent events (WHATWG HTML, section
// 9.2), one event a frame. It knows nothing of what is in them.
//
// On HTTP/1 it takes the connection over, so that an idle stream costs a
// goroutine and no buffers; elsewhere the handler waits.
package eventstream

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/parley-rtc/parley/signaling/internal/socket"
)

const writeTimeout = 10 * time.Second

// ErrNotFlushable says that middleware hides the connection, or holds back what is written.
var ErrNotFlushable = errors.New("eventstream: middleware must implement Unwrap, Flush or Hijack")

// Stream is one response of events. Append, Try, Write and Close are for one goroutine at a time; Abort may be
// called from anywhere. The first frame has to be appended before anything else.
type Stream struct {
	conn    net.Conn       // taken over; nil on HTTP/2
	out     *socket.Writer // to conn
	chunked bool           // on conn
	head    []byte         // of the response, until the first frame

	w    http.ResponseWriter // HTTP/2
	rc   *http.ResponseController
	gone <-chan struct{} // HTTP/2: the client has gone

	mu     sync.Mutex // HTTP/2: held while writing to w, which must not outlive the handler
	closed bool       // guarded by mu
	done   chan struct{}
	once   sync.Once
}

// Open answers r with a stream of events. An error has not been answered.
func Open(w http.ResponseWriter, r *http.Request) (*Stream, error) {
	s := &Stream{w: w, rc: http.NewResponseController(w), gone: r.Context().Done(), done: make(chan struct{})}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx
	if conn, err := socket.TakeOver(w, r); err == nil {
		s.conn, s.chunked = conn, r.ProtoAtLeast(1, 1)
		s.out, s.w, s.rc, s.gone = socket.NewWriter(conn), nil, nil, nil
		if s.chunked {
			h.Set("Transfer-Encoding", "chunked")
		}
		s.head = socket.AppendHead(nil, http.StatusOK, h)
		return s, nil
	}
	// Streams outlive the server's time for a response; where that cannot be set, it has none.
	_ = s.rc.SetWriteDeadline(time.Time{})
	// Flushing sends the header with status 200. Where it is not to be had nothing has been sent yet.
	if err := s.rc.Flush(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFlushable, err)
	}
	return s, nil
}

// Detached says whether the handler may return while the stream goes on.
func (s *Stream) Detached() bool { return s.conn != nil }

// Wait returns when the client has gone, or after Close or Abort.
func (s *Stream) Wait() {
	if s.conn != nil {
		socket.Discard(s.conn) // a client has nothing to say here
		s.end()
		return
	}
	select {
	case <-s.gone:
	case <-s.done:
	}
	s.end()
}

// Append appends a frame as an event, with its number if that is not 0. An empty one becomes a comment. The first
// has the head of the response before it, so that both go in one packet.
func (s *Stream) Append(b []byte, n int64, frame []byte) []byte {
	const blank = "        \r\n" // for the length of a chunk, which comes last
	if s.head != nil {
		b, s.head = append(b, s.head...), nil
	}
	start := len(b)
	if s.chunked {
		b = append(b, blank...)
	}
	begin := len(b)
	if len(frame) == 0 {
		b = append(b, ":\n\n"...)
	} else {
		if n > 0 {
			b = strconv.AppendInt(append(b, "id: "...), n, 10)
			b = append(b, '\n')
		}
		b = append(append(b, "data: "...), frame...)
		b = append(b, "\n\n"...)
	}
	if s.chunked {
		const digits = "0123456789abcdef"
		for size, i := len(b)-begin, start+7; i >= start; size, i = size>>4, i-1 {
			b[i] = digits[size&15] // RFC 9112 section 7.1 allows zeros before it
		}
		b = append(b, "\r\n"...)
	}
	return b
}

// Try writes what can be written without waiting, and returns what is left of b.
func (s *Stream) Try(b []byte) (rest []byte, err error) {
	if s.conn == nil {
		return b, nil
	}
	return s.out.Try(b)
}

// Write writes what Append has made, within a bounded time.
func (s *Stream) Write(b []byte) error {
	if s.conn != nil {
		return s.out.Write(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // a writer without one blocks as long as the server lets it
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	err := s.rc.Flush()
	_ = s.rc.SetWriteDeadline(time.Time{})
	return err
}

// Close ends the stream as complete. A stream has no close codes: the last frame has said why.
func (s *Stream) Close(int, string) {
	if s.chunked {
		_ = s.out.Write([]byte("0\r\n\r\n"))
	}
	s.end()
}

// Abort ends the stream.
func (s *Stream) Abort() { s.end() }

func (s *Stream) end() {
	s.once.Do(func() {
		if s.conn != nil {
			_ = s.conn.Close() // breaks a write that hangs
		}
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.done)
	})
}
