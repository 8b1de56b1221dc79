package pionturn

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/turn/v4"
)

// listener is a socket for clients as the TURN server sees it: only requests that the gate let
// through come out of it.
type listener struct {
	net.PacketConn
	b *Backend

	// request is the one that ReadFrom returned last. The TURN server handles it before it reads
	// the next, so its hooks find it here. Owned by the goroutine that reads.
	request request

	opened *relayConn // the relay socket made last; owned by the goroutine that reads

	mu   sync.Mutex
	live map[netip.AddrPort]*relayConn // guarded by mu; by the client's address

	readers sync.WaitGroup // goroutines of the TURN server that read relay sockets
	warned  time.Time      // when exhaustion was logged last; owned by the goroutine that reads

	closed chan struct{}
	once   sync.Once
	ended  chan struct{} // closed when the TURN server has seen ReadFrom fail
	fault  error         // why, set before ended is closed
}

// request is what the gate found out about a request that it let through.
type request struct {
	client   netip.AddrPort
	username string
	account  string
	key      []byte // the one that signed it; nil if none did
}

func newListener(b *Backend, conn net.PacketConn) *listener {
	return &listener{
		PacketConn: conn,
		b:          b,
		live:       make(map[netip.AddrPort]*relayConn),
		closed:     make(chan struct{}),
		ended:      make(chan struct{}),
	}
}

// ReadFrom returns the next datagram that the TURN server should handle.
func (l *listener) ReadFrom(p []byte) (int, net.Addr, error) {
	var patience backoff
	for {
		n, addr, err := l.PacketConn.ReadFrom(p)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) && patience.wait(l.closed) {
				continue
			}
			l.fault = err
			close(l.ended)
			return 0, nil, err
		}
		patience = 0
		udp, ok := addr.(*net.UDPAddr)
		if !ok {
			l.b.Tally.Drops.Add("not-udp")
			continue
		}
		client := udp.AddrPort()
		client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
		if n = l.pass(p[:n], client); n > 0 {
			return n, addr, nil
		}
	}
}

// WriteTo sends a datagram to a client and counts what it relays.
func (l *listener) WriteTo(p []byte, addr net.Addr) (int, error) {
	n, err := l.PacketConn.WriteTo(p, addr)
	if payload, relayed := payloadOf(p); relayed && err == nil {
		l.b.Tally.FromPeers.Add(payload)
	}
	return n, err
}

// Close makes ReadFrom fail.
func (l *listener) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		err = l.PacketConn.Close()
	})
	return err
}

// wait returns why reading ended, when nothing of this listener is left.
func (l *listener) wait() error {
	<-l.ended
	err := errors.Join(l.fault, l.Close())
	l.mu.Lock()
	left := make([]*relayConn, 0, len(l.live))
	for _, c := range l.live {
		left = append(left, c)
	}
	l.mu.Unlock()
	for _, c := range left {
		_ = c.Close() // never fails
	}
	l.readers.Wait()
	return err
}

// authenticate is the TURN server's hook for the key of a request.
func (l *listener) authenticate(username, _ string, _ net.Addr) ([]byte, bool) {
	return l.request.key, l.request.key != nil && username == l.request.username
}

// adopt is the TURN server's hook for a new allocation, on the relay socket made just before.
func (l *listener) adopt(_, _ net.Addr, _, username, _ string, _ net.Addr, _ int) {
	c := l.opened
	c.client, c.username = l.request.client, username
	l.readers.Add(1)
	c.read = sync.OnceFunc(l.readers.Done)
	l.mu.Lock()
	l.live[c.client] = c
	l.mu.Unlock()
	l.b.Tally.Allocated.Add(1)
	l.b.Logger.Info("allocation made", "client", c.client, "relayed", c.advertised, "username", username)
}

// allocation returns the live one of a client's address, or nil.
func (l *listener) allocation(client netip.AddrPort) *relayConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live[client]
}

// forget is called when a relay socket has been closed.
func (l *listener) forget(c *relayConn) {
	l.mu.Lock()
	adopted := l.live[c.client] == c
	if adopted {
		delete(l.live, c.client)
	}
	l.mu.Unlock()
	if adopted {
		l.b.Logger.Info("allocation ended", "client", c.client, "relayed", c.advertised, "username", c.username)
	}
}

// generator makes relay sockets for the TURN server.
type generator struct{ l *listener }

var _ turn.RelayAddressGenerator = generator{}

// Validate implements [turn.RelayAddressGenerator].
func (generator) Validate() error { return nil }

// AllocatePacketConn implements [turn.RelayAddressGenerator].
func (g generator) AllocatePacketConn(_ string, wanted int) (net.PacketConn, net.Addr, error) {
	c, err := openRelay(g.l, uint16(wanted), g.l.request.account)
	if err != nil {
		g.l.refused(err)
		return nil, nil, err
	}
	g.l.opened = c
	return c, net.UDPAddrFromAddrPort(c.advertised), nil
}

// AllocateConn implements [turn.RelayAddressGenerator]; TCP is not relayed.
func (generator) AllocateConn(string, int) (net.Conn, net.Addr, error) {
	return nil, nil, errors.ErrUnsupported
}

// refused counts an allocation that could not be made, and says so in the log now and then.
func (l *listener) refused(err error) {
	reason := "no-socket"
	if errors.Is(err, errNoPort) {
		reason = "no-port"
	}
	l.b.Tally.Refusals.Add(reason)
	l.warn(err)
}

// warn says in the log, now and then, that allocations cannot be made.
func (l *listener) warn(err error) {
	if time.Since(l.warned) > time.Minute {
		l.warned = time.Now()
		l.b.Logger.Warn("cannot allocate", "reason", err, "min_port", l.b.MinPort, "max_port", l.b.MaxPort,
			"live", l.b.Live())
	}
}
