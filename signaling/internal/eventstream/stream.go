// Package eventstream moves frames over server-sent events (WHATWG HTML, section
// 9.2), one event a frame. It knows nothing of what is in them.
//
// On HTTP/1 it takes the connection over, so that an idle stream costs a
// goroutine and no buffers; elsewhere the handler waits.
package eventstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const writeTimeout = 10 * time.Second

// ErrNotFlushable says that middleware hides the connection, or holds back what is written.
var ErrNotFlushable = errors.New("eventstream: middleware must implement Unwrap, Flush or Hijack")

// Stream is one response of events. Write is for one goroutine at a time; Close and Abort may be
// called from anywhere.
type Stream struct {
	conn    net.Conn // taken over; nil on HTTP/2
	chunked bool     // on conn

	w    http.ResponseWriter // HTTP/2
	rc   *http.ResponseController
	gone <-chan struct{} // HTTP/2: the client has gone

	mu     sync.Mutex // held while writing to w, which must not outlive the handler
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
	if r.ProtoMajor == 1 {
		conn, _, err := s.rc.Hijack()
		if err == nil {
			s.conn, s.chunked = conn, r.ProtoAtLeast(1, 1)
			return s, s.begin(h)
		}
	}
	// Streams outlive the server's time for a response; where that cannot be set, it has none.
	_ = s.rc.SetWriteDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	if err := s.rc.Flush(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFlushable, err)
	}
	return s, nil
}

// begin writes the head of the response to the connection that was taken over.
func (s *Stream) begin(h http.Header) error {
	if err := s.conn.SetDeadline(time.Time{}); err != nil {
		_ = s.conn.Close()
		return err
	}
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if s.chunked {
		h.Set("Transfer-Encoding", "chunked")
	}
	head := &buffer{}
	head.b = append(head.b, "HTTP/1.1 200 OK\r\n"...)
	if err := h.Write(head); err != nil {
		_ = s.conn.Close()
		return err
	}
	head.b = append(head.b, "\r\n"...)
	if err := s.send(head.b); err != nil {
		_ = s.conn.Close()
		return err
	}
	return nil
}

type buffer struct{ b []byte }

func (b *buffer) Write(p []byte) (int, error) {
	b.b = append(b.b, p...)
	return len(p), nil
}

// Detached says whether the handler may return while the stream goes on.
func (s *Stream) Detached() bool { return s.conn != nil }

// Wait returns when the client has gone, or after Close or Abort.
func (s *Stream) Wait() {
	if s.conn != nil {
		// A client has nothing to say here: whatever it sends is passed over.
		_, _ = io.Copy(io.Discard, s.conn)
		s.end()
		return
	}
	select {
	case <-s.gone:
	case <-s.done:
	}
	s.end()
}

// Write sends one frame, with its number if that is not 0. An empty one becomes a
// comment. It returns within 10 s.
func (s *Stream) Write(n int64, frame []byte) error {
	event := make([]byte, 0, len(frame)+48)
	switch {
	case len(frame) == 0:
		event = append(event, ":\n\n"...)
	default:
		if n > 0 {
			event = append(event, "id: "...)
			event = strconv.AppendInt(event, n, 10)
			event = append(event, '\n')
		}
		event = append(event, "data: "...)
		event = append(event, frame...)
		event = append(event, "\n\n"...)
	}
	if !s.chunked {
		return s.send(event)
	}
	chunk := make([]byte, 0, len(event)+16)
	chunk = strconv.AppendInt(chunk, int64(len(event)), 16)
	chunk = append(chunk, "\r\n"...)
	chunk = append(chunk, event...)
	return s.send(append(chunk, "\r\n"...))
}

func (s *Stream) send(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	deadline := time.Now().Add(writeTimeout)
	if s.conn != nil {
		if err := s.conn.SetWriteDeadline(deadline); err != nil {
			return err
		}
		_, err := s.conn.Write(b)
		return err
	}
	_ = s.rc.SetWriteDeadline(deadline) // a writer without one blocks as long as the server lets it
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
		_ = s.send([]byte("0\r\n\r\n"))
	}
	s.end()
}

// Abort ends the stream.
func (s *Stream) Abort() { s.end() }

func (s *Stream) end() {
	s.once.Do(func() {
		if s.conn != nil {
			_ = s.conn.Close() // breaks a write that hangs, which has mu
		}
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.done)
	})
}
