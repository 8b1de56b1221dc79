package pionturn

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

const (
	maxUDP      = 65535 // bytes in the largest datagram
	maxRelayed  = 1600  // payload bytes; the TURN server reads relay sockets in pieces of this size
	queueLength = 128   // datagrams waiting to be read by the TURN server, per allocation
)

// relayConn is an allocation's relay socket as the TURN server sees it. What arrives at the socket
// and what other allocations of this relay send to its address comes out of one queue.
type relayConn struct {
	l          *listener
	socket     *net.UDPConn
	advertised netip.AddrPort
	account    string
	allowance  *policy.Bucket

	queue  chan datagram // bounded; the socket's side waits, the inside drops
	closed chan struct{}
	pumped chan struct{} // closed when pump has returned; ends reading
	once   sync.Once     // guards closing

	// The rest is set before the first ReadFrom and then constant.
	client   netip.AddrPort
	username string
	read     func() // called once, when the TURN server has seen ReadFrom fail
}

// datagram is a payload and where it came from.
type datagram struct {
	from netip.AddrPort
	buf  *payload
	size int
}

// payload has room for one byte more than is relayed, to notice what is too long.
type payload [maxRelayed + 1]byte

var payloads = sync.Pool{New: func() any { return new(payload) }}

// openRelay makes the relay socket of an account's new allocation.
func openRelay(l *listener, wanted uint16, account string) (*relayConn, error) {
	b := l.b
	if err := b.ledger.enter(account); err != nil {
		return nil, err
	}
	socket, port, err := b.ports.open(wanted)
	if err != nil {
		b.ledger.leave(account)
		return nil, err
	}
	c := &relayConn{
		l:          l,
		socket:     socket,
		advertised: netip.AddrPortFrom(b.PublicIP, port),
		account:    account,
		allowance:  b.Limit.Enter(l.request.client.Addr(), time.Now()),
		queue:      make(chan datagram, queueLength),
		closed:     make(chan struct{}),
		pumped:     make(chan struct{}),
	}
	b.ports.assign(port, c)
	go c.pump()
	return c, nil
}

// pump moves datagrams from the socket into the queue until the socket is closed.
func (c *relayConn) pump() {
	defer close(c.pumped)
	b := c.l.b
	var patience backoff
	for {
		buf := payloads.Get().(*payload)
		n, from, err := c.socket.ReadFromUDPAddrPort(buf[:])
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		switch {
		case errors.Is(err, net.ErrClosed):
			payloads.Put(buf)
			return
		case err != nil:
			payloads.Put(buf)
			b.Tally.Drops.Add("relay-read-error")
			if !patience.wait(c.closed) {
				return
			}
			continue
		case n > maxRelayed:
			b.Tally.Drops.Add("too-long")
		case b.Policy.Own(from.Addr()) && !b.allows(from.Addr()):
			b.Tally.Drops.Add("from-own-address")
		case !c.allowance.Take(n, time.Now()):
			b.Tally.Drops.Add("bandwidth")
		default:
			select {
			case c.queue <- datagram{from, buf, n}:
				patience = 0
				continue
			case <-c.closed:
			}
		}
		payloads.Put(buf)
	}
}

// allows reports whether a rule lets packets to an address leave by a socket.
func (b *Backend) allows(addr netip.Addr) bool {
	verdict, _ := b.Policy.Judge(addr)
	return verdict == policy.Allowed
}

// deliver queues a copy of what another allocation sent, or drops it when the queue is full.
func (c *relayConn) deliver(p []byte, from netip.AddrPort) (dropped string) {
	if len(p) > maxRelayed {
		return "too-long"
	}
	if !c.allowance.Take(len(p), time.Now()) {
		return "bandwidth"
	}
	buf := payloads.Get().(*payload)
	select {
	case c.queue <- datagram{from, buf, copy(buf[:], p)}:
		return ""
	default:
		payloads.Put(buf)
		return "hairpin-full"
	}
}

// ReadFrom returns the next datagram from a peer.
func (c *relayConn) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case d := <-c.queue:
		n := copy(p, d.buf[:d.size])
		payloads.Put(d.buf)
		return n, net.UDPAddrFromAddrPort(d.from), nil
	case <-c.pumped:
		if c.read != nil {
			c.read()
		}
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends a client's datagram to a peer. An address of this host is reached inside the
// process, and by the socket only if a rule allows it. What is dropped is counted and no error.
func (c *relayConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, &net.AddrError{Err: "not a UDP address", Addr: addr.String()}
	}
	peer := udp.AddrPort()
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	b := c.l.b
	if !c.allowance.Take(len(p), time.Now()) {
		b.Tally.Drops.Add("bandwidth")
		return len(p), nil
	}
	if b.Policy.Own(peer.Addr()) {
		if target := b.ports.at(peer); target != nil {
			if dropped := target.deliver(p, c.advertised); dropped != "" {
				b.Tally.Drops.Add(dropped)
				return len(p), nil
			}
			b.Tally.ToPeers.Add(len(p))
			return len(p), nil
		}
		if !b.allows(peer.Addr()) {
			b.Tally.Drops.Add("to-own-address")
			return len(p), nil
		}
	}
	if _, err := c.socket.WriteToUDPAddrPort(p, peer); err != nil {
		b.Tally.Drops.Add("relay-write-error")
		return len(p), nil
	}
	b.Tally.ToPeers.Add(len(p))
	return len(p), nil
}

// Close ends the allocation's relaying and gives its port and quota back. It never fails: the TURN
// server stops closing others when one fails.
func (c *relayConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		_ = c.socket.Close() // the port is free either way
		<-c.pumped
		b := c.l.b
		b.ports.release(c.advertised.Port())
		b.ledger.leave(c.account)
		c.allowance.Leave()
		c.l.forget(c)
	})
	return nil
}

// LocalAddr returns the socket's own address, not the advertised one.
func (c *relayConn) LocalAddr() net.Addr { return c.socket.LocalAddr() }

// SetDeadline is not supported; nothing here waits for long.
func (c *relayConn) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not supported.
func (c *relayConn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is not supported.
func (c *relayConn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
