package worker

import (
	"bytes"
	"net"
	"os"
	"sync"
	"time"
)

// maxArrived is how many datagrams wait for a DTLS session that is busy.
const maxArrived = 64

// wire is the part of a listener's socket that a DTLS session sees: what comes from one address, and
// goes there.
type wire struct {
	l       *listener
	addr    pair
	remote  net.Addr
	arrive  chan []byte
	closing sync.Once
	closed  chan struct{}

	mu    sync.Mutex
	late  chan struct{} // guarded by mu; closed when the read deadline has passed
	timer *time.Timer   // guarded by mu; closes late, or nil
}

func newWire(l *listener, addr pair) *wire {
	return &wire{
		l:      l,
		addr:   addr,
		remote: net.UDPAddrFromAddrPort(addr.client),
		arrive: make(chan []byte, maxArrived),
		closed: make(chan struct{}),
		late:   make(chan struct{}),
	}
}

// arrived queues a copy of a datagram, and returns false if there is no room.
func (c *wire) arrived(p []byte) bool {
	select {
	case c.arrive <- bytes.Clone(p):
		return true
	default:
		return false
	}
}

// ReadFrom returns the next datagram.
func (c *wire) ReadFrom(p []byte) (int, net.Addr, error) {
	c.mu.Lock()
	late := c.late
	c.mu.Unlock()
	select {
	case <-c.closed:
		return 0, nil, net.ErrClosed
	case <-late:
		return 0, nil, os.ErrDeadlineExceeded
	default:
	}
	select {
	case d := <-c.arrive:
		return copy(p, d), c.remote, nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	case <-late:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

// WriteTo sends to the client, wherever it is told to.
func (c *wire) WriteTo(p []byte, _ net.Addr) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
		c.l.send(p, c.addr)
		return len(p), nil
	}
}

// Close ends reading and writing. It has no error.
func (c *wire) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return nil
}

// LocalAddr returns the listener's address.
func (c *wire) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.l.socket.Addr()) }

// SetReadDeadline sets until when ReadFrom waits; zero: for ever.
func (c *wire) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil && !c.timer.Stop() {
		<-c.late // the timer is about to close it, or has
	}
	c.timer = nil
	select {
	case <-c.late:
		c.late = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return nil
	}
	late := c.late
	if wait := time.Until(t); wait > 0 {
		c.timer = time.AfterFunc(wait, func() { close(late) })
	} else {
		close(late)
	}
	return nil
}

// SetWriteDeadline does nothing: writing does not wait for the client.
func (c *wire) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline.
func (c *wire) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
