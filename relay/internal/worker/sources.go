package worker

import (
	"net/netip"
	"sync"
)

// sources counts connections by where they come from: an IPv4 address or an IPv6 /64, which is what
// one subscriber has.
type sources struct {
	most int

	mu       sync.Mutex
	bySource map[netip.Addr]int // guarded by mu; no zeros
}

// enter counts a connection in, unless its source has too many.
func (s *sources) enter(addr netip.Addr) bool {
	addr = sourceOf(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bySource[addr] >= s.most {
		return false
	}
	s.bySource[addr]++
	return true
}

func (s *sources) leave(addr netip.Addr) {
	addr = sourceOf(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bySource[addr]--; s.bySource[addr] == 0 {
		delete(s.bySource, addr)
	}
}

func sourceOf(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return addr
	}
	prefix, _ := addr.WithZone("").Prefix(64) // 64 is in range
	return prefix.Addr()
}
