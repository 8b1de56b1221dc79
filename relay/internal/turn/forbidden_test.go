package turn

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// forbidden4 and forbidden6 are the IANA special-purpose address registries, what is no unicast, and
// what clouds give to services of the host; written down here again, apart from the policy's table.
var (
	forbidden4 = []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
		"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
		"192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"255.255.255.255/32", "9.9.9.9/32", // an address of the lab's host
	}
	forbidden6 = []string{
		"::/128", "::1/128", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23",
		"2001:1::1/128", "2001:1::2/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:20::/28",
		"2001:30::/28", "2001:db8:1::/48", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
		"fec0::/10", "ff00::/8", "4000::/3", "8000::/3",
		"fd12:3456:789a::/96", // a NAT64 prefix of the lab
	}
)

// edges returns the first, the last and two more addresses of a prefix.
func edges(p netip.Prefix) []netip.Addr {
	p = p.Masked()
	first, last, middle := p.Addr().As16(), p.Addr().As16(), p.Addr().As16()
	offset := 128 - p.Addr().BitLen()
	for bit := offset + p.Bits(); bit < 128; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
		if bit%3 == 0 {
			middle[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	var addrs []netip.Addr
	for _, b := range [][16]byte{first, last, middle} {
		addr := netip.AddrFrom16(b)
		if p.Addr().Is4() {
			addr = addr.Unmap()
		}
		addrs = append(addrs, addr)
	}
	if next := addrs[0].Next(); p.Contains(next) {
		addrs = append(addrs, next)
	}
	return addrs
}

// forms returns every IPv6 address that stands for an IPv4 address.
func forms(v4 netip.Addr) map[string]netip.Addr {
	b := v4.As4()
	into := func(prefix string, at ...int) netip.Addr {
		a := netip.MustParseAddr(prefix).As16()
		for i, to := range at {
			a[to] = b[i]
		}
		return netip.AddrFrom16(a)
	}
	teredo := into("2001::", 4, 5, 6, 7).As16()
	binary.BigEndian.PutUint32(teredo[12:], ^uint32(0x08080808))
	client := netip.MustParseAddr("2001:0:808:808::").As16()
	binary.BigEndian.PutUint32(client[12:], ^binary.BigEndian.Uint32(b[:]))
	return map[string]netip.Addr{
		"mapped":                 netip.AddrFrom16(v4.As16()),
		"compatible":             into("::", 12, 13, 14, 15),
		"translated":             into("::ffff:0:0:0", 12, 13, 14, 15),
		"6to4":                   into("2002::", 2, 3, 4, 5),
		"6to4, some host":        into("2002::1:2:3", 2, 3, 4, 5),
		"Teredo server":          netip.AddrFrom16(teredo),
		"Teredo client":          netip.AddrFrom16(client),
		"NAT64":                  into("64:ff9b::", 12, 13, 14, 15),
		"NAT64 of 48 bits":       into("64:ff9b:1::", 6, 7, 9, 10),
		"NAT64 of 56 bits":       into("64:ff9b:1::", 7, 9, 10, 11),
		"NAT64 of 64 bits":       into("64:ff9b:1::", 9, 10, 11, 12),
		"NAT64 of 96 bits":       into("64:ff9b:1::", 12, 13, 14, 15),
		"configured NAT64 of 32": into("2a0a:1::", 4, 5, 6, 7),
		"configured NAT64 of 40": into("2a0a:2:100::", 5, 6, 7, 9),
		"configured NAT64 of 48": into("2a0a:3:1::", 6, 7, 9, 10),
		"configured NAT64 of 56": into("2a0a:4:1:100::", 7, 9, 10, 11),
		"configured NAT64 of 64": into("2a0a:5:1:1::", 9, 10, 11, 12),
		"configured NAT64 of 96": into("2a0a:6:1:1:1:1::", 12, 13, 14, 15),
	}
}

// corpus returns every forbidden peer in every form.
func corpus() map[netip.Addr]string {
	all := map[netip.Addr]string{}
	for _, text := range forbidden4 {
		for _, v4 := range edges(netip.MustParsePrefix(text)) {
			all[v4] = text
			for name, v6 := range forms(v4) {
				all[v6] = text + " as " + name
			}
		}
	}
	for _, text := range forbidden6 {
		for _, v6 := range edges(netip.MustParsePrefix(text)) {
			all[v6] = text
		}
	}
	return all
}

// peerAt is peer for addresses in any form.
func peerAt(addr netip.AddrPort) stun.Setter {
	if addr.Addr().Is4In6() {
		return mapped(netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
	}
	return peer(addr)
}

// Every special range, in every IPv4-in-IPv6 form, is refused to the last by CreatePermission,
// ChannelBind, Send and Connect.
func TestForbiddenPeers(t *testing.T) {
	rules := policy.Rules{NAT64: []netip.Prefix{netip.MustParsePrefix("fd12:3456:789a::/96")}}
	for _, text := range []string{"2a0a:1::/32", "2a0a:2:100::/40", "2a0a:3:1::/48", "2a0a:4:1:100::/56", "2a0a:5:1:1::/64", "2a0a:6:1:1:1:1::/96"} {
		rules.NAT64 = append(rules.NAT64, netip.MustParsePrefix(text))
	}
	// Even an allowed prefix of NAT64 lets nobody at what is forbidden inside.
	rules.Allow = rules.NAT64[1:]
	l := newLab(t, setup{rules: rules})
	u, v := l.user("alice", UDP), l.user("bob", TCP)
	u.allocate(additional(IPv6), lifetime(3600))
	v.must(stun.MethodAllocate, transport(protocolTCP), additional(IPv6), lifetime(3600))
	all := corpus()
	n := 0
	for addr, what := range all {
		to := netip.AddrPortFrom(addr, 80)
		if addr.Unmap() == relay4 || addr == relay6 {
			continue
		}
		u.b.out = nil
		for method, setters := range map[stun.Method][]stun.Setter{
			stun.MethodCreatePermission: {peerAt(to)},
			stun.MethodChannelBind:      {channelNumber(0x4000), peerAt(to)},
			stun.MethodConnect:          {peerAt(to)},
		} {
			from := u
			if method == stun.MethodConnect {
				from = v
			}
			if got := codeOf(from.request(method, setters...)); got != 403 {
				t.Errorf("%v to %v (%s): %d, want 403", method, addr, what, got)
			}
			n++
		}
		u.raw(build(stun.MethodSend, stun.ClassIndication, peerAt(to), attr(stun.AttrData, 'x')))
		u.b.drops(map[string]uint64{"no-permission": 1})
		n++
		if len(u.b.out)+len(v.b.dialed) != 0 {
			t.Fatalf("something went to %v (%s)", addr, what)
		}
	}
	for _, a := range u.b.allocations {
		if len(a.permissions)+len(a.channels)+len(a.conns) != 0 {
			t.Errorf("%d permissions, %d channels, %d connections came of it", len(a.permissions), len(a.channels), len(a.conns))
		}
	}
	if len(all) < 1000 {
		t.Errorf("the corpus has only %d peers", len(all))
	}
	t.Logf("%d forbidden peers, %d refusals", len(all), n)
	// What is not forbidden still works, so the corpus was not refused for another reason.
	u.permit(peerA, peer6)
	u.bind(0x4000, peerB)
	if got := codeOf(v.once(stun.MethodConnect, peer(peerA))); got != -1 {
		t.Errorf("Connect to an ordinary peer: %d", got)
	}
	l.pass(time.Hour)
	l.idle()
}
