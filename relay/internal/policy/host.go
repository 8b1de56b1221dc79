package policy

import (
	"maps"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// freshness is how long the addresses of the host's interfaces are believed.
const freshness = 5 * time.Second

// host knows the addresses of the interfaces, which come and go while the relay runs.
type host struct {
	interfaces func() ([]netip.Addr, error)
	known      atomic.Pointer[hostAddrs]
	reading    atomic.Bool // at most one goroutine reads; the others use what is known

	told map[netip.Addr]bool // what changed last compared with; of its one caller
}

type hostAddrs struct {
	addrs map[netip.Addr]bool
	at    time.Time
}

func newHost(interfaces func() ([]netip.Addr, error)) (*host, error) {
	if interfaces == nil {
		interfaces = systemInterfaces
	}
	h := &host{interfaces: interfaces}
	if err := h.read(); err != nil {
		return nil, err
	}
	h.told = h.known.Load().addrs
	return h, nil
}

// changed reads the addresses and reports whether they are others than when it was last called.
func (h *host) changed() bool {
	if err := h.read(); err != nil {
		return false // what was known stays
	}
	before := h.told
	h.told = h.known.Load().addrs
	return !maps.Equal(before, h.told)
}

func (h *host) has(addr netip.Addr) bool {
	known := h.known.Load()
	if time.Since(known.at) > freshness && h.reading.CompareAndSwap(false, true) {
		if err := h.read(); err != nil {
			// What was known stays; trying on every packet would not help.
			h.known.Store(&hostAddrs{addrs: known.addrs, at: time.Now()})
		}
		h.reading.Store(false)
		known = h.known.Load()
	}
	return known.addrs[addr]
}

func (h *host) read() error {
	list, err := h.interfaces()
	if err != nil {
		return err
	}
	addrs := make(map[netip.Addr]bool, len(list))
	for _, addr := range list {
		addrs[addr.Unmap().WithZone("")] = true
	}
	h.known.Store(&hostAddrs{addrs: addrs, at: time.Now()})
	return nil
}

func systemInterfaces() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, entry := range list {
		if prefix, ok := entry.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(prefix.IP); ok {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs, nil
}
