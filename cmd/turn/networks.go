package main

import (
	"fmt"
	"net/netip"
	"slices"
)

// network is the value of a flag that takes a range of addresses; an address alone is its own.
type network struct{ netip.Prefix }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (n *network) UnmarshalText(text []byte) (err error) {
	n.Prefix, err = parseNetwork(string(text))
	return err
}

// parseNetwork reads an address or a range of them.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("%q is not an address or a network like 10.0.0.0/8", text)
	}
	return prefix, nil
}

// prefixes returns the ranges.
func prefixes(networks []network) []netip.Prefix {
	var all []netip.Prefix
	for _, n := range networks {
		all = append(all, n.Prefix)
	}
	return all
}

// translator is the value of a flag that takes a NAT64 prefix (RFC 6052 section 2.2).
type translator struct{ netip.Prefix }

// translatorBits are the lengths that such a prefix may have.
var translatorBits = []int{32, 40, 48, 56, 64, 96}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *translator) UnmarshalText(text []byte) error {
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil || !prefix.Addr().Is6() || prefix.Addr().Is4In6() || !slices.Contains(translatorBits, prefix.Bits()) {
		return fmt.Errorf("%q is not an IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits like 64:ff9b:1::/96", text)
	}
	t.Prefix = prefix
	return nil
}

// translatorPrefixes returns the prefixes.
func translatorPrefixes(translators []translator) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range translators {
		all = append(all, t.Prefix)
	}
	return all
}
