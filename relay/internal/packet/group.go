package packet

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// Group are sockets that come and go, as many as there are descriptors, with one handler. It may be used concurrently.
type Group struct {
	mode   Mode
	handle Handler
	lost   Lost

	batch batchGroup

	mu      sync.Mutex
	sockets map[*Socket]struct{} // guarded by mu; those with a goroutine of their own
	closed  bool                 // guarded by mu
	running sync.WaitGroup
}

// NewGroup returns an empty group, which costs nothing before a socket is started.
func NewGroup(mode Mode, handle Handler, lost Lost) *Group {
	if !canBatch {
		mode = Plain
	}
	return &Group{mode: mode, handle: handle, lost: lost, sockets: make(map[*Socket]struct{})}
}

// Bind opens a socket at an address, whose port may be 0, and keeps what arrives until it is started. The error is that of
// the system, such as EADDRINUSE.
func (g *Group) Bind(addr netip.AddrPort, options Options) (*Socket, error) {
	if g.mode != Plain {
		return g.bind(addr, options)
	}
	network := "udp4"
	if addr.Addr().Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	s := &Socket{options: options, addr: plain(conn.LocalAddr().(*net.UDPAddr).AddrPort()), six: addr.Addr().Is6(), plain: conn}
	if err := setOptions(conn, s); err != nil {
		_ = conn.Close() // the first error says it all
		return nil, err
	}
	return s, nil
}

// Adopt takes over a socket that is bound already: it must not be used any more, and may be closed in favour of another descriptor. One
// that is not of package net is read and written by its own methods, as in mode Plain.
func (g *Group) Adopt(conn net.PacketConn, options Options) (*Socket, error) {
	s := &Socket{options: options, ended: make(chan struct{})}
	if addr, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		s.addr = plain(addr.AddrPort())
		s.six = addr.AddrPort().Addr().Is6() // of "udp", IPv4 that is bound to no address is [::]
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		if s.plain, ok = conn.(plainConn); !ok {
			s.plain = foreign{conn}
		}
		return s, nil
	}
	if err := setOptions(udp, s); err != nil {
		return nil, err
	}
	if g.mode == Plain {
		s.plain = udp
		return s, nil
	}
	return s, g.adopt(s, udp)
}

// Start has the handler called with what arrives at a socket of the group, with this tag.
func (g *Group) Start(s *Socket, tag any) error {
	s.options.Tag = tag
	if s.plain == nil {
		return g.watch(s)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrClosed
	}
	g.sockets[s] = struct{}{}
	g.running.Go(func() {
		err := s.servePlain(g.handle, g.lost)
		for s.ended == nil && !errors.Is(err, ErrClosed) {
			err = s.servePlain(g.handle, g.lost) // whoever opened it closes it; until then errors pass
		}
		g.mu.Lock()
		delete(g.sockets, s)
		g.mu.Unlock()
		s.end(err)
	})
	return nil
}

// Close closes the group and its sockets, and waits for the handler to return. It must not be called by it.
func (g *Group) Close() error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return ErrClosed
	}
	g.closed = true
	for s := range g.sockets {
		_ = s.Close() // it has nothing to lose
	}
	g.mu.Unlock()
	if g.mode != Plain {
		g.stop()
	}
	g.running.Wait()
	return nil
}
