package worker

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

const (
	// writePatience is how long a client may take to read what has been sent to it.
	writePatience = 30 * time.Second
	// idlePatience is how often a client that says nothing is asked for the allocation it has.
	idlePatience = time.Minute
	// lastPatience is how long it may take for what is queued when its connection ends.
	lastPatience = 2 * time.Second
)

// client is a connection of a client over TCP, TLS or DTLS.
type client struct {
	turn.Client
	w     *Worker
	conn  net.Conn
	raw   io.Closer // closes conn at once, without saying goodbye
	queue queue

	began  time.Time
	proven bool          // it has authenticated; for the reader alone
	sent   chan struct{} // closed when the writer has ended
}

// admit makes a client of a connection, or refuses it: when its source has too many. Dismiss must follow.
func (w *Worker) admit(conn net.Conn, raw io.Closer, addr netip.AddrPort, transport turn.Transport) *client {
	if !w.sources.enter(addr.Addr()) {
		w.drop("connections")
		return nil
	}
	c := &client{w: w, conn: conn, raw: raw, queue: newQueue(), began: time.Now(), sent: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		w.sources.leave(addr.Addr())
		return nil
	}
	w.lastClient++
	c.Client = turn.Client{Addr: addr, Transport: transport, Conn: w.lastClient}
	w.clients[c.Conn] = c
	w.begin()
	return c
}

// dismiss ends what a client has; its connection is closed.
func (w *Worker) dismiss(c *client) {
	w.do(func(e *turn.Engine, _ time.Time) { e.Gone(c.Client) })
	w.mu.Lock()
	delete(w.clients, c.Conn)
	w.mu.Unlock()
	w.sources.leave(c.Addr.Addr())
	w.running.Done()
}

// wait sets the deadline of the next read. A client that has not authenticated has what is left of
// its patience.
func (c *client) wait() {
	deadline := c.began.Add(c.w.cfg.Patience)
	if c.proven {
		deadline = time.Now().Add(idlePatience)
	}
	_ = c.conn.SetReadDeadline(deadline) // a closed connection shows when it is read
}

// stays reports whether a client that has been silent for so long may stay. Half says that it has said something
// that is not a message yet.
func (c *client) stays(half bool) (has bool) {
	switch {
	case !c.proven && half:
		c.w.drop("half-message")
		return false
	case !c.proven:
		c.w.drop("unauthenticated-connection")
		return false
	}
	c.w.do(func(e *turn.Engine, _ time.Time) { has = e.Has(c.Client) })
	return has
}

// feed gives a packet of the client to the engine and returns what it means for the connection. If
// that is now bound to a peer's, peer is that.
func (c *client) feed(p []byte) (effect turn.Effect, peer *peerConn) {
	c.w.do(func(e *turn.Engine, now time.Time) {
		effect = e.FromClient(now, c.Client, p)
		if effect.Bound != 0 {
			peer = c.w.peers[effect.Bound]
		}
	})
	if effect.Authenticated && !c.proven {
		c.proven = true
		c.wait()
	}
	return effect, peer
}

// finish waits until what is queued is written, if the client takes it.
func (c *client) finish() {
	c.queue.finish()
	late := time.AfterFunc(lastPatience, func() {
		c.w.drop("client-not-reading")
		_ = c.raw.Close() // the writer ends
	})
	<-c.sent
	late.Stop()
}

// write writes what is queued until that is finished or fails; then the connection is closed. TCP
// takes all that is queued at once. TLS takes packet by packet, as DTLS must: there are clients, coturn's
// among them, that take a record for a packet.
func (c *client) write() {
	defer close(c.sent)
	var buf []byte
	var ends []int
	for range c.queue.wake {
		var more bool
		if buf, ends, more = c.queue.take(buf, ends); !more {
			return
		}
		if c.Transport == turn.TCP && len(ends) > 0 {
			ends = append(ends[:0], len(buf))
		}
		start := 0
		for _, end := range ends {
			_ = c.conn.SetWriteDeadline(time.Now().Add(writePatience)) // a closed connection shows when it is written to
			if _, err := c.conn.Write(buf[start:end]); err != nil {
				switch {
				case errors.Is(err, os.ErrDeadlineExceeded):
					c.w.drop("client-not-reading")
				case !gone(err):
					c.w.drop("client-write-error")
				}
				c.queue.abandon()
				_ = c.raw.Close() // the reader ends
				return
			}
			start = end
		}
	}
}
