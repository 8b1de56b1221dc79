package relay

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"

	"github.com/parley-rtc/parley/relay/credentials"
)

// Config says what a Server does. A field left zero has the default it documents. At least one of
// Keyring and Users is needed.
type Config struct {
	// Realm is the authentication realm (RFC 8489 section 9.2), at most 127 bytes. Default "parley".
	Realm string

	// PublicIP is the IPv4 address in relayed addresses. It may be one that a 1:1 NAT or a
	// container's port mapping translates to this host, if it keeps the port numbers. Default
	// RelayBind, which then must be a real address.
	PublicIP netip.Addr
	// RelayBind is the IPv4 address that relay sockets are bound to. Default 0.0.0.0.
	RelayBind netip.Addr
	// MinPort and MaxPort bound the ports of relay sockets, both included. Defaults 49152 and 65535.
	MinPort, MaxPort uint16

	// Keyring checks time-limited credentials. Their expiry counts when an allocation is made; a
	// live one may be refreshed later.
	Keyring *credentials.Keyring
	// Users are fixed passwords by username. They come before the keyring's.
	Users map[string]string

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

	// MaxAllocations is how many allocations may live at once. Default: as many as there are ports.
	MaxAllocations int
	// MaxAllocationsPerUser is how many of them one user may have; with time-limited credentials,
	// that is the part after "expiry:". Default 64.
	MaxAllocationsPerUser int

	// BitsPerAddress is how many bits of payload in a second the clients of one address have relayed at most, in both
	// directions and all allocations together; half a second's may go at once. An IPv6 address counts as its /64. What is over
	// is dropped, and counted as "bandwidth". Default 0: no limit.
	BitsPerAddress int64

	// Logger gets a line per allocation made and ended, at level Info, but none per packet.
	// Default slog.Default().
	Logger *slog.Logger
}

// resolved returns the configuration with its defaults filled in, or every fault at once.
func (c Config) resolved() (Config, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	c.Realm = cmp.Or(c.Realm, "parley")
	if len(c.Realm) > 127 {
		fault("Realm is %d bytes long, at most 127 are allowed", len(c.Realm))
	}

	c.RelayBind = cmp.Or(c.RelayBind.Unmap(), netip.IPv4Unspecified())
	c.PublicIP = c.PublicIP.Unmap()
	if !c.RelayBind.Is4() || c.RelayBind.IsMulticast() {
		fault("RelayBind %v is not an IPv4 address to bind to", c.RelayBind)
	}
	switch {
	case !c.PublicIP.IsValid() && c.RelayBind.IsUnspecified():
		fault("PublicIP is missing")
	case !c.PublicIP.IsValid():
		c.PublicIP = c.RelayBind
	case !c.PublicIP.Is4() || c.PublicIP.IsUnspecified() || c.PublicIP.IsMulticast():
		fault("PublicIP %v is not an IPv4 address of a host", c.PublicIP)
	}

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

	if c.MaxAllocations < 0 {
		fault("MaxAllocations is negative")
	}
	if c.MaxAllocationsPerUser < 0 {
		fault("MaxAllocationsPerUser is negative")
	}
	if c.BitsPerAddress < 0 {
		fault("BitsPerAddress is negative")
	}
	c.MaxAllocations = cmp.Or(c.MaxAllocations, int(c.MaxPort)-int(c.MinPort)+1)
	c.MaxAllocationsPerUser = cmp.Or(c.MaxAllocationsPerUser, 64)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, errors.Join(faults...)
}
