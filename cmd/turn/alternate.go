package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/parley-rtc/parley/relay"
)

// alternate is a server that clients are sent to.
type alternate struct {
	transport string // udp, tcp, tls or dtls; empty: any
	addr      netip.AddrPort
	name      string // in its certificate; may be empty
}

// parseAlternate reads [udp:|tcp:|tls:|dtls:]IP:PORT[/NAME].
func parseAlternate(text string) (alternate, error) {
	var a alternate
	rest := text
	for _, transport := range []string{"udp", "tcp", "tls", "dtls"} {
		if after, ok := strings.CutPrefix(rest, transport+":"); ok {
			a.transport, rest = transport, after
			break
		}
	}
	where, name, named := strings.Cut(rest, "/")
	addr, err := netip.ParseAddrPort(where)
	if err != nil || addr.Port() == 0 || addr.Addr().IsUnspecified() || addr.Addr().Zone() != "" {
		return a, fmt.Errorf("--alternate: %q is not an IP address with a port, such as 192.0.2.1:3478 or tls:[2001:db8::1]:5349/turn.example.org", text)
	}
	a.addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	switch {
	case !named:
	case a.transport == "udp" || a.transport == "tcp":
		return a, fmt.Errorf("--alternate: %q has a name, which means nothing to clients over %s", text, strings.ToUpper(a.transport))
	case !isName(name):
		return a, fmt.Errorf("--alternate: %q, in %q, is not the name of a server", name, text)
	}
	a.name = name
	return a, nil
}

// isName reports whether a name can be that of a host (RFC 1123 section 2.1).
func isName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, letters) != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(name) <= 253
}

// alternates sets where clients go while the relay stops.
func (f flags) alternates(cfg *relay.Config) error {
	if f.Alternate == nil {
		return nil
	}
	if len(f.Alternate) == 0 {
		return fmt.Errorf("--alternate: the value is empty")
	}
	type kind struct {
		transport string
		four      bool
	}
	servers := make(map[kind]alternate)
	for _, text := range f.Alternate {
		a, err := parseAlternate(text)
		if err != nil {
			return err
		}
		k := kind{a.transport, a.addr.Addr().Is4()}
		if before, twice := servers[k]; twice {
			family, transport := "IPv6", ""
			if k.four {
				family = "IPv4"
			}
			if k.transport != "" {
				transport = " over " + strings.ToUpper(k.transport)
			}
			return fmt.Errorf("--alternate: %s is a second server for %s%s, after %s", a.addr, family, transport, before.addr)
		}
		servers[k] = a
	}
	cfg.Alternate = func(c relay.Client) (netip.AddrPort, string, bool) {
		for _, transport := range []string{c.Transport, ""} {
			if a, ok := servers[kind{transport, c.Addr.Addr().Is4()}]; ok {
				return a.addr, a.name, true
			}
		}
		return netip.AddrPort{}, "", false
	}
	return nil
}
