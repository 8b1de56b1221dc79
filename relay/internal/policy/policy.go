package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Verdict says what a client may do with a peer.
type Verdict uint8

const (
	// Denied peers get no permission.
	Denied Verdict = iota
	// Inside is for the relay's own addresses: a client may have a permission for them, and its
	// packets go to other clients of this relay or nowhere, never out of a socket.
	Inside
	// Allowed peers are reached through the relay's sockets.
	Allowed
)

// String returns the verdict as a word.
func (v Verdict) String() string { return [...]string{"denied", "inside", "allowed"}[v] }

// Rules configure a Policy.
type Rules struct {
	Allow         []netip.Prefix // peers allowed although denied by default
	Deny          []netip.Prefix // peers denied although allowed by default or by Allow
	AllowLoopback bool           // the same as 127.0.0.0/8 and ::1/128 in Allow
	NAT64         []netip.Prefix // translation prefixes (RFC 6052) that this host's network routes
	Relayed       []netip.Addr   // the addresses the relay advertises and binds its relay sockets to

	// Interfaces returns the addresses of the host's interfaces. The default asks the system.
	Interfaces func() ([]netip.Addr, error)
}

// Policy judges peers by its rules. It may be used concurrently.
type Policy struct {
	allow, deny []netip.Prefix
	translators []netip.Prefix
	relayed     map[netip.Addr]bool
	host        *host
}

// New returns a policy, or every fault of the rules at once.
func New(rules Rules) (*Policy, error) {
	var faults []error
	for _, prefix := range slices.Concat(rules.Allow, rules.Deny) {
		if !prefix.IsValid() {
			faults = append(faults, errors.New("a peer rule has an invalid prefix"))
		}
	}
	for _, prefix := range rules.NAT64 {
		if err := checkTranslator(prefix); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	p := &Policy{
		allow:       unmapped(rules.Allow),
		deny:        unmapped(rules.Deny),
		translators: rules.NAT64,
		relayed:     make(map[netip.Addr]bool),
	}
	if rules.AllowLoopback {
		p.allow = append(p.allow, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	for _, addr := range rules.Relayed {
		if addr = addr.Unmap(); addr.IsValid() && !addr.IsUnspecified() {
			p.relayed[addr] = true
		}
	}
	host, err := newHost(rules.Interfaces)
	if err != nil {
		return nil, fmt.Errorf("read the addresses of this host: %w", err)
	}
	p.host = host
	return p, nil
}

// Judge decides about a peer and gives the reason in a few words.
func (p *Policy) Judge(peer netip.Addr) (Verdict, string) {
	peer = peer.Unmap().WithZone("")
	if unreachable(peer) {
		return Denied, "not unicast"
	}
	inner := embedded(peer, p.translators)
	if contains(p.deny, peer) || slices.ContainsFunc(inner, func(a netip.Addr) bool { return contains(p.deny, a) }) {
		return Denied, "deny rule"
	}
	verdict, reason := p.judgeOuter(peer)
	if verdict == Denied {
		return verdict, reason
	}
	for _, addr := range inner {
		if unreachable(addr) {
			return Denied, "not unicast, inside " + reason
		}
		if verdict, reason := p.judgeOuter(addr); verdict != Allowed {
			return Denied, "inside an IPv6 address: " + reason
		}
	}
	return verdict, reason
}

// judgeOuter decides about an address without regard to deny rules or what is inside it.
func (p *Policy) judgeOuter(addr netip.Addr) (Verdict, string) {
	switch {
	case contains(p.allow, addr):
		return Allowed, "allow rule"
	case p.relayed[addr]:
		return Inside, "relay address"
	case p.host.has(addr):
		return Denied, "address of this host"
	case contains(p.translators, addr):
		return Denied, "NAT64"
	}
	if reason := specialRange(addr); reason != "" {
		return Denied, reason
	}
	return Allowed, "public"
}

// Own reports whether packets to an address end at this host: an interface has it, it is loopback,
// or the relay advertises it.
func (p *Policy) Own(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return p.relayed[addr] || addr.IsLoopback() || addr.IsUnspecified() || p.host.has(addr)
}

// Changed reads the addresses of the host's interfaces again and reports whether they are others than when it was last called, or when
// the policy was made: then verdicts may be others, too. One goroutine may call it.
func (p *Policy) Changed() bool { return p.host.changed() }

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// unmapped returns the prefixes with those of IPv4-mapped addresses turned into IPv4 ones, since
// peers are compared as IPv4 addresses.
func unmapped(prefixes []netip.Prefix) []netip.Prefix {
	plain := make([]netip.Prefix, len(prefixes))
	for i, prefix := range prefixes {
		if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		plain[i] = prefix.Masked()
	}
	return plain
}
