package daemon

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// crowd is a listener that takes so many connections from one address, and closes the others.
type crowd struct {
	net.Listener
	limit  int
	exempt []netip.Prefix
	log    *slog.Logger
	once   sync.Once

	mu   sync.Mutex
	open map[netip.Prefix]int // guarded by mu; by address, of those that have connections
}

// LimitConnections bounds how many TCP connections one address may have open; of IPv6 a network of 64 bits
// counts as one. More are closed at once. Addresses of exempt, such as proxies, are not counted. That there were
// too many is logged once, with the flag's name.
func LimitConnections(l net.Listener, limit int, exempt []netip.Prefix, flag string, log *slog.Logger) net.Listener {
	return &crowd{Listener: l, limit: limit, exempt: exempt, log: log.With("flag", flag), open: make(map[netip.Prefix]int)}
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, isTCP := conn.(*net.TCPConn)
		if !isTCP {
			return conn, nil
		}
		address := addressOf(tcp.RemoteAddr())
		if contains(c.exempt, address) {
			return conn, nil
		}
		from := accountOf(address)
		if c.enter(from) {
			return &counted{TCPConn: tcp, leave: sync.OnceFunc(func() { c.leave(from) })}, nil
		}
		c.once.Do(func() {
			c.log.Warn("too many connections from one address; said once", "from", from.String(), "limit", c.limit)
		})
		_ = tcp.SetLinger(0) // nothing is left of it, not even the wait for its last packets
		_ = tcp.Close()
	}
}

func (c *crowd) enter(from netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[from] >= c.limit {
		return false
	}
	c.open[from]++
	return true
}

func (c *crowd) leave(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[from]--; c.open[from] == 0 {
		delete(c.open, from)
	}
}

// counted is a connection that is counted until it is closed.
type counted struct {
	*net.TCPConn
	leave func()
}

// PlainTCP says that it reads and writes as this does, so that package signaling can do so without waiting.
func (c *counted) PlainTCP() *net.TCPConn { return c.TCPConn }

// Close implements net.Conn.
func (c *counted) Close() error {
	c.leave()
	return c.TCPConn.Close()
}

// addressOf is the IP address of an address; zero: it has none.
func addressOf(a net.Addr) netip.Addr {
	tcp, is := a.(*net.TCPAddr)
	if !is {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

func contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// accountOf is the network that an address counts as.
func accountOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	network, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // all that have no address
	}
	return network
}
