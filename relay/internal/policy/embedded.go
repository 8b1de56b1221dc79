package policy

import (
	"fmt"
	"net/netip"
)

var (
	compatible = netip.MustParsePrefix("::/96")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	teredo     = netip.MustParsePrefix("2001::/32")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")
)

// embedded returns the IPv4 addresses inside an IPv6 address that is not IPv4-mapped: none for an
// ordinary address, several where the address alone does not say which one counts. Translators are
// the NAT64 prefixes in use besides the well-known one.
func embedded(addr netip.Addr, translators []netip.Prefix) []netip.Addr {
	if !addr.Is6() {
		return nil
	}
	b := addr.As16()
	var inner []netip.Addr
	switch {
	case compatible.Contains(addr) && addr != netip.IPv6Unspecified() && addr != netip.IPv6Loopback(),
		translated.Contains(addr):
		inner = append(inner, netip.AddrFrom4([4]byte(b[12:16])))
	case sixToFour.Contains(addr): // RFC 3056 section 2
		inner = append(inner, netip.AddrFrom4([4]byte(b[2:6])))
	case teredo.Contains(addr): // RFC 4380 section 4: the server, and the client with its bits inverted
		inner = append(inner, netip.AddrFrom4([4]byte(b[4:8])),
			netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	case nat64.Contains(addr):
		inner = append(inner, translatedBy(nat64, b))
	}
	known := false
	for _, prefix := range translators {
		if prefix.Contains(addr) {
			inner, known = append(inner, translatedBy(prefix, b)), true
		}
	}
	if nat64Local.Contains(addr) && !known {
		for _, bits := range []int{48, 56, 64, 96} { // RFC 8215: whatever the network chose
			inner = append(inner, translatedBy(netip.PrefixFrom(addr, bits), b))
		}
	}
	return inner
}

// translatedBy returns the IPv4 address at the place that a NAT64 prefix's length gives it, RFC 6052
// section 2.2: right behind the prefix, but leaving out the byte at bits 64 to 71.
func translatedBy(prefix netip.Prefix, b [16]byte) netip.Addr {
	var v4 [4]byte
	at := prefix.Bits() / 8
	for i := range v4 {
		if at == 8 {
			at++
		}
		v4[i] = b[at]
		at++
	}
	return netip.AddrFrom4(v4)
}

// checkTranslator returns an error unless prefix can be a NAT64 prefix, RFC 6052 section 2.2.
func checkTranslator(prefix netip.Prefix) error {
	if !prefix.IsValid() || !prefix.Addr().Is6() || prefix.Addr().Is4In6() {
		return fmt.Errorf("NAT64 prefix %v is not IPv6", prefix)
	}
	switch prefix.Bits() {
	case 32, 40, 48, 56, 64, 96:
		return nil
	default:
		return fmt.Errorf("NAT64 prefix %v must be 32, 40, 48, 56, 64 or 96 bits long", prefix)
	}
}
