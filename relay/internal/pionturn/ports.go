package pionturn

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

var errNoPort = errors.New("every relay port is taken")

// ports hands out the relay ports and knows which allocation has which.
type ports struct {
	bind     netip.Addr
	public   netip.Addr
	min, max uint16

	mu   sync.RWMutex
	held map[uint16]*relayConn // guarded by mu; nil while the socket is being made
}

func newPorts(s Settings) *ports {
	return &ports{
		bind:   s.RelayBind,
		public: s.PublicIP,
		min:    s.MinPort,
		max:    s.MaxPort,
		held:   make(map[uint16]*relayConn),
	}
}

// open returns a socket on a free port: the wanted one, or any if wanted is 0.
func (p *ports) open(wanted uint16) (*net.UDPConn, uint16, error) {
	if wanted != 0 {
		socket, err := p.try(wanted)
		return socket, wanted, err
	}
	size := int(p.max) - int(p.min) + 1
	start := rand.IntN(size)
	for i := range size {
		port := p.min + uint16((start+i)%size)
		socket, err := p.try(port)
		switch {
		case err == nil:
			return socket, port, nil
		case !errors.Is(err, errNoPort):
			return nil, 0, err
		}
	}
	return nil, 0, errNoPort
}

// try binds one port; the error is errNoPort if somebody has it.
func (p *ports) try(port uint16) (*net.UDPConn, error) {
	p.mu.Lock()
	if _, taken := p.held[port]; taken {
		p.mu.Unlock()
		return nil, errNoPort
	}
	p.held[port] = nil
	p.mu.Unlock()

	socket, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.bind, port)))
	if err == nil {
		return socket, nil
	}
	p.release(port)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errNoPort
	}
	return nil, fmt.Errorf("open a relay socket: %w", err)
}

// assign says which allocation has an open port.
func (p *ports) assign(port uint16, c *relayConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[port] = c
}

func (p *ports) release(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, port)
}

// at returns the live allocation whose relay socket packets to an address of this host would reach,
// or nil.
func (p *ports) at(addr netip.AddrPort) *relayConn {
	if !p.bind.IsUnspecified() && addr.Addr() != p.bind && addr.Addr() != p.public {
		return nil
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.held[addr.Port()]
}
