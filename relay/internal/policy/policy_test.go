package policy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ranges has addresses of every special range, at its edges where it has neighbours.
var ranges4 = map[string][]string{
	"this network":          {"0.0.0.2", "0.255.255.255"},
	"private 10":            {"10.0.0.0", "10.255.255.255"},
	"shared space":          {"100.64.0.0", "100.100.100.200", "100.127.255.255"},
	"loopback":              {"127.0.0.1", "127.255.255.255"},
	"link local":            {"169.254.0.0", "169.254.169.254", "169.254.255.255"},
	"private 172":           {"172.16.0.0", "172.31.255.255"},
	"protocol assignments":  {"192.0.0.0", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.255"},
	"documentation 1":       {"192.0.2.0", "192.0.2.255"},
	"AS112":                 {"192.31.196.0", "192.31.196.255", "192.175.48.0", "192.175.48.255"},
	"AMT":                   {"192.52.193.0", "192.52.193.255"},
	"6to4 relay anycast":    {"192.88.99.0", "192.88.99.2", "192.88.99.255"},
	"private 192":           {"192.168.0.0", "192.168.255.255"},
	"benchmarking":          {"198.18.0.0", "198.19.255.255"},
	"documentation 2":       {"198.51.100.0", "198.51.100.255"},
	"documentation 3":       {"203.0.113.0", "203.0.113.255"},
	"multicast":             {"224.0.0.1", "239.255.255.255"},
	"reserved":              {"240.0.0.0", "255.255.255.254"},
	"broadcast":             {"255.255.255.255"},
	"unspecified":           {"0.0.0.0"},
	"cloud host service":    {"168.63.129.16"},
	"address of this host":  {"93.184.216.34"},
	"address a rule denies": {"9.9.9.9"},
}

var ranges6 = map[string][]string{
	"unspecified":           {"::"},
	"loopback":              {"::1"},
	"compatible":            {"::8.8.8.8", "::2"},
	"translated":            {"::ffff:0:8.8.8.8"},
	"not assigned":          {"::1:0:0:0", "200::1", "1000::1", "4000::1", "8000::1", "f000::1"},
	"NAT64":                 {"64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1"},
	"NAT64, local use":      {"64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"},
	"NAT64 in use here":     {"2a01:4f8:64::8.8.8.8"},
	"discard":               {"100::1"},
	"dummy":                 {"100:0:0:1::1"},
	"Teredo":                {"2001::1", "2001:0:4136:e378:8000:63bf:f7f7:f7f7"},
	"protocol assignments":  {"2001:1::1", "2001:1::2", "2001:1::3", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff:ffff::1"},
	"documentation":         {"2001:db8::1", "3fff::1", "3fff:fff:ffff::1"},
	"6to4":                  {"2002:808:808::1"},
	"AS112":                 {"2620:4f:8000::1"},
	"segment routing":       {"5f00::1"},
	"unique local":          {"fc00::1", "fd00:ec2::254"},
	"link local":            {"fe80::1", "febf::1", "fe80::1%eth0"},
	"site local":            {"fec0::1"},
	"multicast":             {"ff02::1", "ff0e::1"},
	"address of this host":  {"2606:2800:220:1::1"},
	"address a rule denies": {"2620:fe::fe"},
}

// neighbours are ordinary addresses just outside a range.
var neighbours = []string{
	"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
	"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
	"191.255.255.255", "192.0.1.0", "192.0.3.0", "192.31.195.255", "192.52.194.0", "192.88.98.255", "192.167.255.255",
	"192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "203.0.112.255", "203.0.114.0", "223.255.255.255",
	"2001:200::1", "2001:db7:ffff::1", "2001:db9::1", "2003::1", "2620:4f:8001::1", "2600::1", "3ffe::1", "2000::1",
}

// forms carry an IPv4 address inside an IPv6 one.
var forms = map[string]func([4]byte) [16]byte{
	"as it is in IPv6, mapped": func(a [4]byte) [16]byte { return join("::ffff:0:0", 12, a) },
	"compatible":               func(a [4]byte) [16]byte { return join("::", 12, a) },
	"translated":               func(a [4]byte) [16]byte { return join("::ffff:0:0:0", 12, a) },
	"6to4":                     func(a [4]byte) [16]byte { return join("2002::1", 2, a) },
	"Teredo server":            func(a [4]byte) [16]byte { return join("2001:0:0:0:0:0:f7f7:f7f7", 4, a) },
	"Teredo client": func(a [4]byte) [16]byte {
		return join("2001:0:808:808::", 12, [4]byte{^a[0], ^a[1], ^a[2], ^a[3]})
	},
	"NAT64":           func(a [4]byte) [16]byte { return join("64:ff9b::", 12, a) },
	"NAT64 local, 96": func(a [4]byte) [16]byte { return join("64:ff9b:1:1::", 12, a) },
	"NAT64 of 32":     func(a [4]byte) [16]byte { return join("2a01:4f8::", 4, a) },
	"NAT64 of 40":     func(a [4]byte) [16]byte { return join("2a02:4f8:4000::", 5, a) },
	"NAT64 of 48":     func(a [4]byte) [16]byte { return join("2a03:4f8:4848::", 6, a) },
	"NAT64 of 56":     func(a [4]byte) [16]byte { return join("2a04:4f8:5656:5600::", 7, a) },
	"NAT64 of 64":     func(a [4]byte) [16]byte { return join("2a05:4f8:6464:6464::", 9, a) },
	"NAT64 of 96":     func(a [4]byte) [16]byte { return join("2a06:4f8:9696:9696::", 12, a) },
}

var translators = prefixes("2a01:4f8::/32", "2a02:4f8:4000::/40", "2a03:4f8:4848::/48", "2a04:4f8:5656:5600::/56",
	"2a05:4f8:6464:6464::/64", "2a06:4f8:9696:9696::/96")

// join writes a at byte i of prefix, going around the byte that RFC 6052 reserves.
func join(prefix string, i int, a [4]byte) [16]byte {
	b := netip.MustParseAddr(prefix).As16()
	for _, octet := range a {
		if i == 8 {
			i++
		}
		b[i] = octet
		i++
	}
	return b
}

func rules() Rules {
	return Rules{
		Deny:    prefixes("9.9.9.9/32", "2620:fe::fe/128"),
		NAT64:   translators,
		Relayed: []netip.Addr{netip.MustParseAddr("198.51.100.7")},
		Interfaces: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("::ffff:93.184.216.34"), netip.MustParseAddr("2606:2800:220:1::1")}, nil
		},
	}
}

func TestSpecialRangesAreDenied(t *testing.T) {
	p := newPolicy(t, rules())
	for _, table := range []map[string][]string{ranges4, ranges6} {
		for name, addrs := range table {
			for _, addr := range addrs {
				if verdict, reason := p.Judge(netip.MustParseAddr(addr)); verdict != Denied {
					t.Errorf("%s: %s is %v (%s), want denied", name, addr, verdict, reason)
				}
			}
		}
	}
}

func TestOrdinaryAddressesAreAllowed(t *testing.T) {
	p := newPolicy(t, rules())
	for _, addr := range append(neighbours, "8.8.8.8", "2a00:1450:4001::200e", "::ffff:8.8.8.8") {
		if verdict, reason := p.Judge(netip.MustParseAddr(addr)); verdict != Allowed {
			t.Errorf("%s is %v (%s), want allowed", addr, verdict, reason)
		}
	}
}

// Every special address in every form is denied even where the forms themselves are allowed, and
// only an ordinary address gets through them.
func TestAnAddressInsideIsJudged(t *testing.T) {
	open := rules()
	open.Allow = append(prefixes("::/96", "::ffff:0:0:0/96", "2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48"), translators...)
	open.NAT64 = append(open.NAT64, netip.MustParsePrefix("64:ff9b:1:1::/96"))
	p := newPolicy(t, open)
	for form, embed := range forms {
		t.Run(form, func(t *testing.T) {
			if got, reason := p.Judge(netip.AddrFrom16(embed([4]byte{8, 8, 8, 8}))); got != Allowed {
				t.Errorf("8.8.8.8 inside %v is %v (%s), want allowed", netip.AddrFrom16(embed([4]byte{8, 8, 8, 8})), got, reason)
			}
			for name, addrs := range ranges4 {
				for _, addr := range addrs {
					outer := netip.AddrFrom16(embed(netip.MustParseAddr(addr).As4()))
					if verdict, reason := p.Judge(outer); verdict != Denied {
						t.Errorf("%s: %s inside %s is %v (%s), want denied", name, addr, outer, verdict, reason)
					}
				}
			}
			relayed := netip.AddrFrom16(embed([4]byte{198, 51, 100, 7}))
			if verdict, _ := p.Judge(relayed); verdict == Allowed || (verdict == Inside && relayed.Unmap().Is6()) {
				t.Errorf("the relay's address inside %s is %v, want denied", relayed, verdict)
			}
		})
	}
}

func TestFormsAreDeniedByDefault(t *testing.T) {
	p := newPolicy(t, rules())
	for form, embed := range forms {
		outer := netip.AddrFrom16(embed([4]byte{8, 8, 8, 8}))
		want := Denied
		if outer.Is4In6() {
			want = Allowed // the same address, written differently
		}
		if got, reason := p.Judge(outer); got != want {
			t.Errorf("%s: %s is %v (%s), want %v", form, outer, got, reason, want)
		}
	}
}

func TestLocalUseNAT64IsJudgedInEveryLayout(t *testing.T) {
	open := rules()
	open.Allow = prefixes("64:ff9b:1::/48")
	p := newPolicy(t, open)
	for _, i := range []int{6, 7, 9, 12} {
		outer := netip.AddrFrom16(join("64:ff9b:1:808:8:808:808:808", i, [4]byte{10, 0, 0, 1}))
		if verdict, reason := p.Judge(outer); verdict != Denied {
			t.Errorf("10.0.0.1 at byte %d of %s is %v (%s), want denied", i, outer, verdict, reason)
		}
	}
}

func TestRules(t *testing.T) {
	tests := map[string]struct {
		change func(*Rules)
		peer   string
		want   Verdict
	}{
		"an allow rule opens a private range":       {allow("10.1.0.0/16"), "10.1.2.3", Allowed},
		"and nothing beside it":                     {allow("10.1.0.0/16"), "10.2.0.1", Denied},
		"and the mapped form of it":                 {allow("10.1.0.0/16"), "::ffff:10.1.2.3", Allowed},
		"a rule in mapped form is an IPv4 rule":     {allow("::ffff:10.1.0.0/112"), "10.1.2.3", Allowed},
		"but not other forms of it":                 {allow("10.1.0.0/16"), "64:ff9b::10.1.2.3", Denied},
		"unless those are allowed too":              {allow("10.1.0.0/16", "64:ff9b::/96"), "64:ff9b::10.1.2.3", Allowed},
		"an allow rule can name this host":          {allow("93.184.216.34/32"), "93.184.216.34", Allowed},
		"and the relay's own address":               {allow("198.51.100.7/32"), "198.51.100.7", Allowed},
		"a deny rule closes a public range":         {deny("8.8.0.0/16"), "8.8.8.8", Denied},
		"and its mapped form":                       {deny("8.8.0.0/16"), "::ffff:8.8.8.8", Denied},
		"and what carries it":                       {both("64:ff9b::/96", "8.8.0.0/16"), "64:ff9b::8.8.8.8", Denied},
		"a deny rule wins over an allow rule":       {both("10.0.0.0/8", "10.1.0.0/16"), "10.1.2.3", Denied},
		"even over one that is more precise":        {both("10.1.2.3/32", "10.0.0.0/8"), "10.1.2.3", Denied},
		"a deny rule closes the relay's address":    {deny("198.51.100.0/24"), "198.51.100.7", Denied},
		"loopback can be allowed":                   {loopback, "127.0.0.1", Allowed},
		"IPv6 loopback too":                         {loopback, "::1", Allowed},
		"and denied again":                          {func(r *Rules) { loopback(r); deny("127.0.0.2/32")(r) }, "127.0.0.2", Denied},
		"allowing loopback opens nothing else":      {loopback, "93.184.216.34", Denied},
		"no rule allows the unspecified address":    {allow("0.0.0.0/0"), "0.0.0.0", Denied},
		"no rule allows the unspecified in IPv6":    {allow("::/0"), "::", Denied},
		"no rule allows multicast":                  {allow("0.0.0.0/0"), "224.0.0.1", Denied},
		"no rule allows multicast in IPv6":          {allow("::/0"), "ff02::1", Denied},
		"no rule allows broadcast":                  {allow("0.0.0.0/0"), "255.255.255.255", Denied},
		"the relay's own address is for the inside": {func(*Rules) {}, "198.51.100.7", Inside},
		"and so is its mapped form":                 {func(*Rules) {}, "::ffff:198.51.100.7", Inside},
		"its neighbour is not":                      {func(*Rules) {}, "198.51.100.8", Denied},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := rules()
			test.change(&r)
			if got, reason := newPolicy(t, r).Judge(netip.MustParseAddr(test.peer)); got != test.want {
				t.Errorf("%s is %v (%s), want %v", test.peer, got, reason, test.want)
			}
		})
	}
}

func TestAnInvalidAddressIsDenied(t *testing.T) {
	if got, _ := newPolicy(t, rules()).Judge(netip.Addr{}); got != Denied {
		t.Errorf("got %v, want denied", got)
	}
}

func TestOwn(t *testing.T) {
	p := newPolicy(t, rules())
	for addr, want := range map[string]bool{
		"93.184.216.34":        true, // an interface
		"::ffff:93.184.216.34": true,
		"2606:2800:220:1::1":   true,
		"198.51.100.7":         true, // advertised
		"127.0.0.1":            true,
		"127.8.8.8":            true,
		"::1":                  true,
		"0.0.0.0":              true, // reaches this host too
		"8.8.8.8":              false,
		"198.51.100.8":         false,
	} {
		if got := p.Own(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Own(%s) = %v, want %v", addr, got, want)
		}
	}
}

func TestAddressesThatComeLaterAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		addrs, fault := []netip.Addr{}, error(nil)
		r := rules()
		r.Interfaces = func() ([]netip.Addr, error) { return addrs, fault }
		p := newPolicy(t, r)
		later := netip.MustParseAddr("93.184.216.34")
		if p.Own(later) {
			t.Fatal("Own is true before the address is there")
		}

		addrs = []netip.Addr{later}
		time.Sleep(freshness + time.Second)
		if verdict, _ := p.Judge(later); verdict != Denied || !p.Own(later) {
			t.Errorf("after it came, Judge = %v, Own = %v, want denied, true", verdict, p.Own(later))
		}

		fault = errors.New("no netlink")
		time.Sleep(freshness + time.Second)
		if !p.Own(later) {
			t.Error("a failed reading made it forget the addresses")
		}
	})
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := New(Rules{
		Allow: []netip.Prefix{{}},
		NAT64: prefixes("10.0.0.0/8", "2001:db8::/44"),
	})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"invalid prefix", "10.0.0.0/8", "2001:db8::/44"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %q", err, want)
		}
	}
}

func allow(list ...string) func(*Rules) {
	return func(r *Rules) { r.Allow = append(r.Allow, prefixes(list...)...) }
}

func deny(list ...string) func(*Rules) {
	return func(r *Rules) { r.Deny = append(r.Deny, prefixes(list...)...) }
}

func both(allowed, denied string) func(*Rules) {
	return func(r *Rules) { allow(allowed)(r); deny(denied)(r) }
}

func loopback(r *Rules) { r.AllowLoopback = true }

func prefixes(list ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(list))
	for i, text := range list {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}

func newPolicy(t *testing.T, r Rules) *Policy {
	t.Helper()
	p, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestChangedTellsOfAddressesThatComeAndGo(t *testing.T) {
	address := netip.MustParseAddr("8.8.8.8")
	var addrs []netip.Addr
	var failure error
	p, err := New(Rules{Interfaces: func() ([]netip.Addr, error) { return addrs, failure }})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name    string
		addrs   []netip.Addr
		failure error
		changed bool
		verdict Verdict
	}{
		{"at first", nil, nil, false, Allowed},
		{"acquired", []netip.Addr{address}, nil, true, Denied},
		{"still there", []netip.Addr{address}, nil, false, Denied},
		{"not to be read", nil, errors.New("no"), false, Denied},
		{"gone", nil, nil, true, Allowed},
	} {
		addrs, failure = step.addrs, step.failure
		if got := p.Changed(); got != step.changed {
			t.Errorf("%s: Changed = %v", step.name, got)
		}
		if got, _ := p.Judge(address); got != step.verdict {
			t.Errorf("%s: %v, want %v", step.name, got, step.verdict)
		}
	}
}
