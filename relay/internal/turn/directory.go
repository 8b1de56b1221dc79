package turn

import (
	"net/netip"
	"sync"
)

// directory knows which allocation has which relayed address, so that packets between two of them
// stay inside. Only packets to addresses of the relay look here, and connections.
type directory struct {
	mu     sync.RWMutex
	byAddr map[netip.AddrPort]place // guarded by mu
}

// place is where a relayed address leads.
type place struct {
	engine  int
	relay   *Relay         // for that engine alone to use
	relayed netip.AddrPort // the address that clients know
}

func (d *directory) enter(r *Relay, engine int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := place{engine, r, r.relayed}
	d.byAddr[r.relayed] = p
	if r.bound.IsValid() {
		d.byAddr[r.bound] = p
	}
}

func (d *directory) leave(r *Relay) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, addr := range [2]netip.AddrPort{r.relayed, r.bound} {
		if d.byAddr[addr].relay == r {
			delete(d.byAddr, addr)
		}
	}
}

func (d *directory) at(addr netip.AddrPort) (place, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	p, found := d.byAddr[addr]
	return p, found
}
