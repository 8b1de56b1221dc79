package signaling

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress is the address that a request came from: that of the connection, or, if that is a
// trusted proxy's, the last hop of X-Forwarded-For that is none. It is zero where the connection has no IP address.
func (s *Server) clientAddress(r *http.Request) netip.Addr {
	address, ok := parseHop(r.RemoteAddr)
	if !ok {
		return netip.Addr{}
	}
	lines := r.Header.Values("X-Forwarded-For")
	if !s.trusts(address) {
		if len(lines) > 0 {
			s.forwarded.Do(func() {
				s.log.Warn("X-Forwarded-For ignored: Config.TrustedProxies (--trusted-proxy) does not name who sends it. "+
					"If that is a proxy, all its clients share the limits of one address", "from", address.String())
			})
		}
		return address
	}
	for _, line := range slices.Backward(lines) {
		for line != "" {
			hop := line
			if at := strings.LastIndexByte(line, ','); at >= 0 {
				line, hop = line[:at], line[at+1:]
			} else {
				line = ""
			}
			next, ok := parseHop(strings.TrimSpace(hop))
			if !ok {
				return address // what is left of it was not written by a proxy that we know
			}
			if address = next; !s.trusts(address) {
				return address
			}
		}
	}
	return address
}

// parseHop reads an address as proxies write it: with a port or without, IPv6 in brackets or without.
func parseHop(text string) (netip.Addr, bool) {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return plain(with.Addr()), true
	}
	if inner, found := strings.CutPrefix(text, "["); found {
		if text, found = strings.CutSuffix(inner, "]"); !found {
			return netip.Addr{}, false
		}
	}
	address, err := netip.ParseAddr(text)
	return plain(address), err == nil
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func (s *Server) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// unmapped writes a prefix of IPv4 addresses in IPv6 form as those, as addresses are compared.
func unmapped(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p
}

// accountOf is what limits count an address as; zero: not counted. Of IPv6 it is the first of a network of 64 bits,
// which is one customer's, who has more addresses in it than could be counted.
func accountOf(a netip.Addr) netip.Addr {
	if a.Is6() {
		if network, err := a.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return a
}

// accountName is accountOf for a store; "": not counted.
func accountName(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return accountOf(a).String()
}
