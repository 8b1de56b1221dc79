package relay

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"runtime"
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/relay/internal/packet"
)

// Config says what a Server does. A field left zero has the default it documents. At least one of
// Keyring and Users is needed.
type Config struct {
	// Realm is the authentication realm (RFC 8489 section 9.2), at most 127 bytes. Default "parley".
	Realm string

	// PublicIP is the IPv4 address in relayed addresses. It may be one that a 1:1 NAT or a
	// container's port mapping translates to this host, if it keeps the port numbers. Default
	// RelayBind, if that is a real address. Without either, IPv4 is not relayed, and PublicIPv6 or
	// RelayBindIPv6 is needed.
	PublicIP netip.Addr
	// RelayBind is the IPv4 address that relay sockets are bound to. Default 0.0.0.0.
	RelayBind netip.Addr
	// PublicIPv6 and RelayBindIPv6 are the same for IPv6. Without either, IPv6 is not relayed.
	PublicIPv6, RelayBindIPv6 netip.Addr
	// MinPort and MaxPort bound the ports of relay sockets, both included. Defaults 49152 and 65535.
	MinPort, MaxPort uint16

	// KeepFamily gives a client that asks for no address family a relay of the one it comes from,
	// and not of IPv4 (RFC 8656 section 7.2): for hosts without IPv4.
	KeepFamily bool
	// TCPRelaying lets clients that come over TCP or TLS have TCP relayed, too (RFC 6062). It needs Linux.
	TCPRelaying bool

	// WideChannels allows channel numbers up to 0x7FFF, as old clients choose them (RFC 5766 section 11), and not only
	// those up to 0x4FFF (RFC 8656 section 12).
	WideChannels bool

	// UDPMode is how UDP packets are read and written: "offload", many at a time and with the offloads of the kernel (UDP_SEGMENT,
	// UDP_GRO), "batch", many at a time without them, or "plain", one by one by package net. What the system lacks is done
	// without. Default "offload".
	UDPMode string

	// Workers is how many workers share the clients, each of which moves packets on a processor of its own. Every UDP socket
	// that is served is opened once more for each, and the system gives a client's datagrams always to the same. Where it cannot, one worker serves the
	// socket. At most [MaxWorkers]. Default 0: one for each two processors (GOMAXPROCS), at least one.
	Workers int

	// GetCertificate returns the certificate for a client that comes over TLS or DTLS. It may be called
	// concurrently, and with a hello that says no more than the server's name. Without it the server speaks neither.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// Keyring checks time-limited credentials. Their expiry counts when an allocation is made; a
	// live one may be refreshed later, unless StrictExpiry is set.
	Keyring *credentials.Keyring
	// Users are fixed passwords by username. They come before the keyring's.
	Users map[string]string
	// StrictExpiry ends an allocation when its time-limited credential expires.
	StrictExpiry bool
	// MaxSession is how long an allocation may live, however often it is refreshed. Default 24 h.
	MaxSession time.Duration
	// CredentialTTL is the longest time that credentials of the keyring are made for: so long a revoked user is remembered.
	// It is not checked: one that was made for longer is good again after that time. Default 24 h.
	CredentialTTL time.Duration

	// AllowPeers are peers allowed although denied by default, such as a private network that the
	// relay is meant to lead into. An IPv4 prefix also names its addresses in IPv4-mapped form.
	AllowPeers []netip.Prefix
	// DenyPeers are peers denied in any case; they win over AllowPeers.
	DenyPeers []netip.Prefix
	// AllowLoopback allows peers on this host's loopback addresses, for development.
	AllowLoopback bool
	// NAT64 are translation prefixes (RFC 6052) in use where the relay runs, besides 64:ff9b::/96.
	// Peers in them are denied unless allowed, and the IPv4 address inside must be allowed too.
	NAT64 []netip.Prefix

	// MaxAllocations is how many allocations may live at once. Default: as many as ports can be had for.
	MaxAllocations int
	// MaxAllocationsPerUser is how many of them one user may have; with time-limited credentials,
	// that is the part after "expiry:". Default 64.
	MaxAllocationsPerUser int
	// MaxAllocationsPerSource is how many of them the clients of one IPv4 address or IPv6 /64 may have. Default 1000.
	MaxAllocationsPerSource int
	// MaxConnectionsPerSource is how many TCP and DTLS connections they may have. Default 4096.
	MaxConnectionsPerSource int
	// MaxPermissions and MaxChannels are how many an allocation may have. Default 256 each.
	MaxPermissions, MaxChannels int

	// NewPeers is how many new peers an allocation may have permissions for or connect to at once, and NewPeersPerSecond
	// how many more in each second then. Defaults 100 and 20.
	NewPeers, NewPeersPerSecond int
	// MaxHandshakes is how many DTLS handshakes may be going on. Default 1000.
	MaxHandshakes int
	// AuthTimeout is how long a TCP, TLS or DTLS connection may take to authenticate. Default 10 s.
	AuthTimeout time.Duration

	// BitsPerAllocation is how many bits of payload in a second an allocation relays at most, in both directions
	// together. What is over is dropped, and counted as "rate". Default 0: no limit.
	BitsPerAllocation int64
	// Bits is the same for all allocations together, counted as "total-rate".
	Bits int64
	// BitsPerAddress is how many bits of payload in a second the clients of one address have relayed at most, in both
	// directions and all allocations together; half a second's may go at once. An IPv6 address counts as its /64. What is over
	// is dropped, and counted as "bandwidth". Default 0: no limit.
	BitsPerAddress int64

	// Alternate returns where a client should go instead while the server shuts down: another server that it
	// can reach over the same transport and address family, and for TLS and DTLS its name, if it has one. It may
	// be called concurrently. Without an answer, or if it is nil, new allocations are refused then as if there were no more room.
	Alternate func(Client) (server netip.AddrPort, domain string, ok bool)

	// Ended is told of every allocation that has ended, with what it has relayed and why: to bill for it, say. It is called with no lock held,
	// possibly concurrently, and on the path of packets: so it should do little. Close returns after the last call, but for those
	// from a Revoke, Reload or Prober that still runs: these return after them.
	Ended func(Allocation)

	// Logger gets a line per allocation made and ended, at level Info, but none per packet.
	// Default slog.Default().
	Logger *slog.Logger

	interfaces func() ([]netip.Addr, error) // of a test; nil: the system's
	recheck    time.Duration                // how often they are read, in a test
}

// Client says where a client of the server comes from.
type Client struct {
	Addr      netip.AddrPort
	Transport string // udp, tcp, tls or dtls
}

// MaxWorkers is how many workers a server may have at most.
const MaxWorkers = 256

// workers returns how many workers the server has; docs/adr/0008-workers-share-the-clients.md says why not more. It is no part of resolving: the number of processors may change before a Reload.
func (c Config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return min((runtime.GOMAXPROCS(0)+1)/2, MaxWorkers)
}

// resolved returns the configuration with its defaults filled in, or every fault at once.
func (c Config) resolved() (Config, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	c.Realm = cmp.Or(c.Realm, "parley")
	if len(c.Realm) > 127 {
		fault("Realm is %d bytes long, at most 127 are allowed", len(c.Realm))
	}

	c.UDPMode = cmp.Or(c.UDPMode, packet.Offload.String())
	if _, known := packet.ParseMode(c.UDPMode); !known {
		fault("UDPMode %q is not offload, batch or plain", c.UDPMode)
	}
	if c.Workers < 0 || c.Workers > MaxWorkers {
		fault("Workers is %d, it must be 0 to %d", c.Workers, MaxWorkers)
	}
	c.resolveAddresses(fault)
	c.MinPort, c.MaxPort = cmp.Or(c.MinPort, 49152), cmp.Or(c.MaxPort, 65535)
	if c.MinPort > c.MaxPort {
		fault("MinPort %d is above MaxPort %d", c.MinPort, c.MaxPort)
	}

	if c.Keyring == nil && len(c.Users) == 0 {
		fault("neither Keyring nor Users is set, and there is no anonymous mode")
	}
	c.Users = maps.Clone(c.Users)
	for name, password := range c.Users {
		if name == "" || len(name) > credentials.MaxUsername {
			fault("user name %q is not 1 to %d bytes long", name, credentials.MaxUsername)
		}
		if password == "" {
			fault("user %q has no password", name)
		}
	}

	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"MaxAllocations", int64(c.MaxAllocations)},
		{"MaxAllocationsPerUser", int64(c.MaxAllocationsPerUser)},
		{"MaxAllocationsPerSource", int64(c.MaxAllocationsPerSource)},
		{"MaxConnectionsPerSource", int64(c.MaxConnectionsPerSource)},
		{"MaxPermissions", int64(c.MaxPermissions)},
		{"MaxChannels", int64(c.MaxChannels)},
		{"NewPeers", int64(c.NewPeers)},
		{"NewPeersPerSecond", int64(c.NewPeersPerSecond)},
		{"MaxHandshakes", int64(c.MaxHandshakes)},
		{"AuthTimeout", int64(c.AuthTimeout)},
		{"BitsPerAllocation", c.BitsPerAllocation},
		{"BitsPerAddress", c.BitsPerAddress},
		{"Bits", c.Bits},
		{"MaxSession", int64(c.MaxSession)},
		{"CredentialTTL", int64(c.CredentialTTL)},
	} {
		if limit.value < 0 {
			fault("%s is negative", limit.name)
		}
	}
	c.MaxAllocationsPerUser = cmp.Or(c.MaxAllocationsPerUser, 64)
	c.MaxAllocationsPerSource = cmp.Or(c.MaxAllocationsPerSource, 1000)
	c.MaxConnectionsPerSource = cmp.Or(c.MaxConnectionsPerSource, 4096)
	c.MaxPermissions = cmp.Or(c.MaxPermissions, 256)
	c.MaxChannels = cmp.Or(c.MaxChannels, 256)
	c.NewPeers, c.NewPeersPerSecond = cmp.Or(c.NewPeers, 100), cmp.Or(c.NewPeersPerSecond, 20)
	c.MaxHandshakes, c.AuthTimeout = cmp.Or(c.MaxHandshakes, 1000), cmp.Or(c.AuthTimeout, 10*time.Second)
	c.MaxSession = cmp.Or(c.MaxSession, 24*time.Hour)
	c.CredentialTTL = cmp.Or(c.CredentialTTL, 24*time.Hour)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, errors.Join(faults...)
}

// resolveAddresses fills in the addresses of both families. Where a family is not relayed, its address to bind to is
// not valid afterwards.
func (c *Config) resolveAddresses(fault func(format string, args ...any)) {
	c.PublicIP, c.RelayBind = c.PublicIP.Unmap(), c.RelayBind.Unmap()
	four := addresses{"PublicIP", "RelayBind", "IPv4", netip.Addr.Is4, netip.IPv4Unspecified()}
	six := addresses{"PublicIPv6", "RelayBindIPv6", "IPv6", isIPv6, netip.IPv6Unspecified()}
	c.PublicIP, c.RelayBind = four.resolved(c.PublicIP, c.RelayBind, fault)
	c.PublicIPv6, c.RelayBindIPv6 = six.resolved(c.PublicIPv6, c.RelayBindIPv6, fault)
	if !c.RelayBind.IsValid() && !c.RelayBindIPv6.IsValid() {
		fault("PublicIP is missing, and so is PublicIPv6")
	}
}

func isIPv6(addr netip.Addr) bool { return addr.Is6() && !addr.Is4In6() && addr.Zone() == "" }

// addresses says what the addresses of a family are called and must be.
type addresses struct {
	public, bind, family string
	of                   func(netip.Addr) bool
	unspecified          netip.Addr
}

// resolved returns the address to advertise and the one to bind to; neither is valid if neither was given.
func (a addresses) resolved(public, bind netip.Addr, fault func(format string, args ...any)) (netip.Addr, netip.Addr) {
	if bind.IsValid() && (!a.of(bind) || bind.IsMulticast()) {
		fault("%s %v is not an %s address to bind to", a.bind, bind, a.family)
	}
	switch {
	case !public.IsValid() && (!bind.IsValid() || bind.IsUnspecified()):
		return netip.Addr{}, netip.Addr{}
	case !public.IsValid():
		return bind, bind
	case !a.of(public) || public.IsUnspecified() || public.IsMulticast():
		fault("%s %v is not an %s address of a host", a.public, public, a.family)
	}
	if !bind.IsValid() {
		bind = a.unspecified
	}
	return public, bind
}
