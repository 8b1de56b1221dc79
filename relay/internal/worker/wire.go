package worker

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/parley-rtc/parley/relay/internal/packet"
)

// maxArrived is how many datagrams wait for a DTLS session that is busy.
const maxArrived = 64

// wire is the part of a listener's socket that a DTLS session sees: what comes from one address, and
// goes there.
type wire struct {
	l       *listener
	addr    pair
	remote  net.Addr
	arrive  chan *datagram
	closing sync.Once
	closed  chan struct{}

	sending sync.Mutex
	out     *packet.Outbox  // guarded by sending; nil while nothing is held back
	held    []byte          // guarded by sending; what the outbox is to send, in slab
	slab    *[corkSize]byte // guarded by sending

	mu    sync.Mutex
	late  chan struct{} // guarded by mu; closed when the read deadline has passed
	timer *time.Timer   // guarded by mu; closes late, or nil
}

func newWire(l *listener, addr pair) *wire {
	return &wire{
		l:      l,
		addr:   addr,
		remote: net.UDPAddrFromAddrPort(addr.client),
		arrive: make(chan *datagram, maxArrived),
		closed: make(chan struct{}),
		late:   make(chan struct{}),
	}
}

// datagram is a copy of one. Most are no larger than own.
type datagram struct {
	body []byte
	own  [2048]byte
}

// datagrams are those that nobody reads.
var datagrams = sync.Pool{New: func() any { return new(datagram) }}

// arrived queues a copy of a datagram, and returns false if there is no room.
func (c *wire) arrived(p []byte) bool {
	d := datagrams.Get().(*datagram)
	d.body = append(d.own[:0], p...)
	select {
	case c.arrive <- d:
		return true
	default:
		datagrams.Put(d)
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
		n := copy(p, d.body)
		d.body = nil // a large one is not kept
		datagrams.Put(d)
		return n, c.remote, nil
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
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.out == nil {
		c.l.send(p, c.addr)
		return len(p), nil
	}
	if len(c.held)+len(p) > cap(c.held) {
		c.out.Flush()
		c.held = c.held[:0]
	}
	start := len(c.held)
	if start+len(p) > cap(c.held) {
		c.l.send(p, c.addr)
		return len(p), nil
	}
	c.held = append(c.held, p...) // where it stays until it is sent
	c.out.Add(c.l.socket, packet.Message{To: c.addr.client, From: c.addr.local, Body: c.held[start:]})
	return len(p), nil
}

// cork holds back what is sent from now on.
func (c *wire) cork() {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.out = c.l.w.outs.Get().(*packet.Outbox)
	c.slab = corkBuffers.Get().(*[corkSize]byte)
	c.held = c.slab[:0]
}

// uncork sends what was held back. It has no error.
func (c *wire) uncork() error {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.out.Flush()
	c.l.w.outs.Put(c.out)
	corkBuffers.Put(c.slab)
	c.out, c.held, c.slab = nil, nil, nil
	return nil
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
