package client

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

// slow is middleware's writer whose connection holds back what the server writes, from the first
// message with a word in it on, until it is released.
type slow struct {
	http.ResponseWriter
	word    string
	release <-chan struct{}
}

func (s slow) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(s.ResponseWriter).Hijack()
	return &slowConn{Conn: conn, slow: s}, rw, err
}

type slowConn struct {
	net.Conn
	slow slow

	mu   sync.Mutex
	held []byte // guarded by mu; nil: nothing is held back
}

func (c *slowConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held != nil {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	if !bytes.Contains(p, []byte(c.slow.word)) {
		return c.Conn.Write(p)
	}
	c.held = bytes.Clone(p)
	go func() {
		<-c.slow.release
		c.mu.Lock()
		defer c.mu.Unlock()
		_, _ = c.Conn.Write(c.held)
		_ = c.Close()
	}()
	return len(p), nil
}

// A WebSocket that proves itself only when events, which were opened later, are in use, cannot be
// used any more: the server says so right behind the proof.
func TestAWebSocketThatProvesItselfAfterEventsDid(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/ws") {
				select {
				case <-release:
				default: // more than one, if a poll was opened later and superseded the first
					w = slow{w, `"pong"`, release}
				}
			}
			next.ServeHTTP(w, r)
		})
	}
	s := serve(t, signaling.Config{}, wrap)
	m := join(t, s.url, Options{})
	m.awaitLink(Events)
	time.Sleep(100 * time.Millisecond) // for the WebSocket to be superseded
	close(release)
	m.awaitLink(WebSocket)
	bob := join(t, s.url, Options{Peer: "bob"})
	bob.send(m.ID(), 1)
	await[Signal](m, nil)
}

func TestPostsAreMadeSmallerWhereLargeOnesAreRefused(t *testing.T) {
	t.Parallel()
	const limit, count = 2000, 200
	var mu sync.Mutex
	refused, taken := 0, 0
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			large := r.ContentLength > limit
			if large {
				refused++
			} else if strings.HasSuffix(r.URL.Path, "/frames") && r.Method == http.MethodPost {
				taken++
			}
			mu.Unlock()
			if large {
				http.Error(w, "<h1>Request Entity Too Large</h1>", http.StatusRequestEntityTooLarge)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	s := serve(t, signaling.Config{}, wrap)
	alice := join(t, s.url, Options{Peer: "alice", Link: LongPoll})
	bob := join(t, s.url, Options{Peer: "bob", Link: LongPoll})
	go func() {
		for n := range count {
			_ = alice.Send(t.Context(), "bob", 0, n)
		}
	}()
	if err := hear(bob, "alice", count); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if refused == 0 || refused > 5 {
		t.Errorf("%d posts were refused, want a few", refused)
	}
	if taken > count/4 {
		t.Errorf("%d posts carried %d frames", taken, count)
	}
}
