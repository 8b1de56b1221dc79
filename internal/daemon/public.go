package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/probe"
)

// PublicAddress is the value of a --public-ip flag: an address, PUBLIC/PRIVATE for a 1:1 NAT, or auto. The zero value says nothing.
type PublicAddress struct {
	Auto            bool
	Public, Private netip.Addr // Private is of Public's family, or not valid
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (a *PublicAddress) UnmarshalText(text []byte) error {
	*a = PublicAddress{}
	if string(text) == "auto" {
		a.Auto = true
		return nil
	}
	public, private, mapped := strings.Cut(string(text), "/")
	var err error
	if a.Public, err = hostAddr(public); err != nil {
		return fmt.Errorf("%q is neither auto nor an address of a host, nor two of them like 198.51.100.7/10.0.0.7: %w", text, err)
	}
	if !mapped {
		return nil
	}
	if a.Private, err = hostAddr(private); err == nil && a.Public.Is4() != a.Private.Is4() {
		err = errors.New("they are of two families")
	}
	if err != nil {
		return fmt.Errorf("%q is not PUBLIC/PRIVATE, two addresses of a host like 198.51.100.7/10.0.0.7: %w", text, err)
	}
	return nil
}

func hostAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	addr = addr.Unmap()
	if err == nil && (addr.IsUnspecified() || addr.IsMulticast() || addr.Zone() != "") {
		err = errors.New("no host has this address")
	}
	return addr, err
}

// String returns the value as UnmarshalText reads it.
func (a PublicAddress) String() string {
	switch {
	case a.Auto:
		return "auto"
	case a.Private.IsValid():
		return a.Public.String() + "/" + a.Private.String()
	}
	return a.Public.String()
}

// Found is the address of this host that clients and peers reach it under.
type Found struct {
	Public  netip.Addr
	Private netip.Addr // what a NAT translates it to; not valid: it is this host's own, as far as we know
	How     string     // in a few words
}

// probeTime is how long all STUN servers together have to answer.
const probeTime = 3 * time.Second

// FindPublic finds the IPv4 address of this host that others reach: from the interfaces; and by asking STUN servers, all at
// once, if there are any and either the interfaces have no public address or asked is set. The first answer counts. Where none comes,
// that is logged, and the interfaces' is the best there is.
func FindPublic(ctx context.Context, asked bool, servers []string, log *slog.Logger) Found {
	own := Found{Public: PublicIP(), How: "found from the interfaces"}
	if len(servers) == 0 || !asked && !narrow(own.Public) {
		return own
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	type answer struct {
		server        string
		mapped, local netip.AddrPort
		err           error
	}
	answers := make(chan answer, len(servers))
	for _, server := range servers {
		go func() {
			a := answer{server: server}
			a.mapped, a.local, a.err = probe.Mapped(ctx, server)
			answers <- a
		}()
	}
	best := own
	var faults []error
	for range servers { // all of them: none is left behind
		a := <-answers
		switch {
		case best != own:
		case a.err != nil:
			faults = append(faults, fmt.Errorf("%s: %w", a.server, a.err))
		case !a.mapped.Addr().Is4() || a.mapped.Addr().IsUnspecified() || a.mapped.Addr().IsMulticast():
			faults = append(faults, fmt.Errorf("%s says %v, which is no IPv4 address of a host", a.server, a.mapped))
		default:
			best = Found{Public: a.mapped.Addr(), How: "found by STUN from " + a.server}
			if a.mapped.Addr() != a.local.Addr() {
				best.Private = a.local.Addr()
				best.How += ", behind a NAT from " + best.Private.String()
			}
			if a.mapped.Port() != a.local.Port() {
				log.Warn("the NAT in front of this host changes ports: relayed addresses lead here only if it forwards the relay's ports as they are",
					"port", a.local.Port(), "seen_as", a.mapped.Port())
			}
			cancel() // the others need not answer
		}
	}
	if best == own {
		log.Warn("no STUN server told this host's public address", "error", errors.Join(faults...), "public_ip", own.Public)
	}
	return best
}

// narrow says that an address means something in its own network only.
func narrow(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || sharedSpace.Contains(addr)
}

// WarnOfPublic says in the log if few can use a relay that advertises an address. Asked are the servers of --probe-stun.
func WarnOfPublic(addr netip.Addr, asked []string, log *slog.Logger) {
	switch {
	case addr.IsLoopback():
		log.Warn("the relay advertises a loopback address, so only programs on this host can use it; set --public-ip", "public_ip", addr)
	case narrow(addr) && len(asked) > 0:
		log.Warn("the relay advertises a private address, so nobody outside this network can use it; set --public-ip", "public_ip", addr)
	case narrow(addr):
		log.Warn("the relay advertises a private address, so nobody outside this network can use it; set --public-ip, or --probe-stun to find it", "public_ip", addr)
	}
}
