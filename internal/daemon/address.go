package daemon

import (
	"net"
	"net/netip"
	"strings"
)

// PublicIP returns the address that other machines most likely reach this one under: the first
// IPv4 address of an interface that is up and not loopback, public addresses before private ones
// and interfaces of containers last; 127.0.0.1 if there is none. Behind a 1:1 NAT it cannot know
// the outside address.
func PublicIP() netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	var found []candidate
	for _, ifc := range interfaces {
		if ifc.Flags&net.FlagUp == 0 || ifc.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := ifc.Addrs()
		if err != nil {
			continue // it went away while we looked
		}
		for _, addr := range addrs {
			if prefix, err := netip.ParsePrefix(addr.String()); err == nil {
				found = append(found, candidate{ifc.Name, prefix.Addr()})
			}
		}
	}
	return choosePublic(found)
}

// candidate is one address of one interface.
type candidate struct {
	ifc  string
	addr netip.Addr
}

// choosePublic returns the best of the candidates, in their order.
func choosePublic(found []candidate) netip.Addr {
	best, rank := netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0
	for _, c := range found {
		if r := c.rank(); r > rank {
			best, rank = c.addr.Unmap(), r
		}
	}
	return best
}

// rank is 0 for an address that cannot be advertised, and higher for a better one.
func (c candidate) rank() int {
	addr := c.addr.Unmap()
	switch {
	case !addr.Is4() || !addr.IsGlobalUnicast():
		return 0
	case c.virtual():
		return 1
	case addr.IsPrivate() || sharedSpace.Contains(addr):
		return 2
	default:
		return 3
	}
}

// sharedSpace is what carriers use behind their own NAT, RFC 6598.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// virtual reports whether the interface is a bridge or one end of a pair for containers.
func (c candidate) virtual() bool {
	for _, prefix := range []string{"docker", "br-", "veth", "virbr", "cni", "podman"} {
		if strings.HasPrefix(c.ifc, prefix) {
			return true
		}
	}
	return false
}
