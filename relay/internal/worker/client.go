package worker

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

const (
	// writePatience is how long a client may take to read what has been sent to it.
	writePatience = 30 * time.Second
	// idlePatience is how often a client that says nothing is asked for the allocation it has.
	idlePatience = time.Minute
	// maxWrite is how much is written to it at once, within that time.
	maxWrite = 64 << 10
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
	renew  time.Time     // when the deadline of writing is set anew; for the writer alone
	sent   chan struct{} // closed when the writer has ended
}

// admit makes a client of a connection, or refuses it: when its source has too many. Dismiss must follow.
func (w *Worker) admit(conn net.Conn, raw io.Closer, addr netip.AddrPort, transport turn.Transport) *client {
	if !w.crew.sources.enter(addr.Addr()) {
		w.drop("connections")
		return nil
	}
	c := &client{w: w, conn: conn, raw: raw, queue: newQueue(), began: time.Now(), sent: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		w.crew.sources.leave(addr.Addr())
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
	w.crew.sources.leave(c.Addr.Addr())
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

// feed gives a packet of the client to the engine.
func (c *client) feed(p []byte) {
	out := c.w.outs.Get().(*packet.Outbox)
	defer c.w.outs.Put(out)
	if !c.w.hold(out) {
		return
	}
	effect := c.w.engine.FromClient(time.Now(), c.Client, p)
	c.w.letGo(out)
	c.prove(effect.Authenticated)
}

// maxFrames is how many messages of a stream are handled in one turn.
const maxFrames = 64

// feedStream is feed for the messages at the start of what has come on a stream, some of them at most, which are handled
// together. It returns how long they are, or [turn.ErrFrame]. Effect is that of the last one.
func (c *client) feedStream(frames *turn.Stream, p []byte) (used int, effect turn.Effect, peer *peerConn, err error) {
	size, err := frames.Next(p)
	if size == 0 || err != nil {
		return 0, turn.Effect{}, nil, err
	}
	out := c.w.outs.Get().(*packet.Outbox)
	defer c.w.outs.Put(out)
	if !c.w.hold(out) {
		return size, turn.Effect{}, nil, nil
	}
	now := time.Now()
	proven := c.proven
	for n := 0; size > 0 && n < maxFrames; n++ {
		effect = c.w.engine.FromClient(now, c.Client, p[used:used+size])
		used += size
		proven = proven || effect.Authenticated
		if effect.Hangup || effect.Bound != 0 {
			break
		}
		size, _ = frames.Next(p[used:]) // the error comes again
	}
	c.w.letGo(out)
	c.prove(proven)
	if effect.Bound != 0 { // to a connection that another worker may have made
		peer = c.w.crew.workers[effect.Owner].peer(effect.Bound)
	}
	return used, effect, peer, nil
}

// prove takes note that a client has authenticated.
func (c *client) prove(proven bool) {
	if proven && !c.proven {
		c.proven = true
		c.wait()
	}
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

// bundle is what lies below a connection that takes packet by packet, and sends those that are written together at once.
type bundle interface {
	cork()
	uncork() error
}

// write writes what is queued until that is finished or fails; then the connection is closed.
func (c *client) write() {
	defer close(c.sent)
	var buf []byte
	var ends []int
	for range c.queue.wake {
		var more bool
		if buf, ends, more = c.queue.take(buf, ends); !more {
			return
		}
		start := 0
		for rest := ends; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n]-start <= maxWrite {
				n++
			}
			if err := c.writeSome(buf, start, rest[:n]); err != nil {
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
			start, rest = rest[n-1], rest[n:]
		}
		buf, ends = spare(buf, ends)
	}
}

// writeSome writes packets that end at such places in a buffer, the first of which begins at start. TCP takes them all at once. TLS
// takes packet by packet, as DTLS must: there are clients, coturn's among them, that take a record for a packet. But the
// records leave together.
func (c *client) writeSome(buf []byte, start int, ends []int) (err error) {
	if now := time.Now(); now.After(c.renew) {
		_ = c.conn.SetWriteDeadline(now.Add(writePatience)) // a closed connection shows when it is written to
		c.renew = now.Add(writePatience / 30)
	}
	if c.Transport == turn.TCP {
		_, err = c.conn.Write(buf[start:ends[len(ends)-1]])
		return err
	}
	together, ok := c.raw.(bundle)
	if ok = ok && len(ends) > 1; ok {
		together.cork()
	}
	for _, end := range ends {
		if _, err = c.conn.Write(buf[start:end]); err != nil {
			break
		}
		start = end
	}
	if ok {
		err = cmp.Or(err, together.uncork())
	}
	return err
}
