package turn

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// RFC 8656 section 10.2.
func TestCreatePermission(t *testing.T) {
	denied := netip.MustParseAddrPort("10.0.0.1:1")
	tests := map[string]struct {
		setters []stun.Setter
		want    int
		count   int // permissions afterwards
	}{
		"one peer":                                  {[]stun.Setter{peer(peerA)}, 0, 1},
		"several peers":                             {[]stun.Setter{peer(peerA), peer(peerB)}, 0, 2},
		"the port is ignored":                       {[]stun.Setter{peer(netip.AddrPortFrom(peerA.Addr(), 0))}, 0, 1},
		"several ports of one address":              {[]stun.Setter{peer(peerA), peer(netip.AddrPortFrom(peerA.Addr(), 9))}, 0, 1},
		"an address of the relay":                   {[]stun.Setter{peer(netip.AddrPortFrom(relay4, 1))}, 0, 1},
		"an IPv4-mapped address is the IPv4 one":    {[]stun.Setter{mapped(peerA)}, 0, 1},
		"no peer":                                   {nil, 400, 0},
		"XOR-PEER-ADDRESS is malformed":             {[]stun.Setter{attr(stun.AttrXORPeerAddress, 0, 1, 2, 3)}, 400, 0},
		"XOR-PEER-ADDRESS of no family":             {[]stun.Setter{attr(stun.AttrXORPeerAddress, 0, 3, 2, 3, 4, 5, 6, 7)}, 400, 0},
		"IPv4 in a value of 20 bytes":               {[]stun.Setter{attr(stun.AttrXORPeerAddress, append([]byte{0, 1}, make([]byte, 18)...)...)}, 400, 0},
		"a denied peer":                             {[]stun.Setter{peer(denied)}, 403, 0},
		"one denied among several, all or nothing":  {[]stun.Setter{peer(peerA), peer(denied), peer(peerB)}, 403, 0},
		"one malformed among several":               {[]stun.Setter{peer(peerA), attr(stun.AttrXORPeerAddress)}, 400, 0},
		"a peer of another family":                  {[]stun.Setter{peer(peer6)}, 443, 0},
		"one of another family among several":       {[]stun.Setter{peer(peerA), peer(peer6)}, 443, 0},
		"an attribute that has no business is fine": {[]stun.Setter{peer(peerA), lifetime(1)}, 0, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{})
			u := l.user("alice", UDP)
			if got := codeOf(u.request(stun.MethodCreatePermission, test.setters...)); got != 437 {
				t.Errorf("without an allocation: %d, want 437", got)
			}
			u.allocate()
			if got := codeOf(u.request(stun.MethodCreatePermission, test.setters...)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			a := u.b.allocations[u.client.tuple()]
			if len(a.permissions) != test.count {
				t.Errorf("%d permissions, want %d", len(a.permissions), test.count)
			}
		})
	}
}

// RFC 8656 section 9: a permission lives for 300 seconds and is not refreshed by traffic.
func TestPermissionsExpire(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	r := u.b.relayAt(u.allocate(lifetime(3600)))
	u.permit(peerA)
	both := func(want bool) {
		t.Helper()
		u.b.out = nil
		u.raw(build(stun.MethodSend, stun.ClassIndication, peer(peerA), attr(stun.AttrData, 1)))
		u.b.sent = nil
		u.b.FromPeer(l.now, r, peerA, []byte{2})
		if sent, got := len(u.b.out) == 1, len(u.b.sent) == 1; sent != want || got != want {
			t.Errorf("to the peer %v, from the peer %v; want %v", sent, got, want)
		}
	}
	both(true)
	l.pass(299 * time.Second)
	both(true)
	l.pass(time.Second)
	both(false)
	u.b.drops(map[string]uint64{"no-permission": 1, "peer-no-permission": 1})
	u.permit(peerA)
	l.pass(299 * time.Second)
	u.permit(peerA)
	l.pass(299 * time.Second)
	both(true)
	l.pass(time.Second)
	if a := u.b.allocations[u.client.tuple()]; len(a.permissions) != 0 {
		t.Errorf("%d permissions are still in memory", len(a.permissions))
	}
}

// RFC 8656 section 12.2.
func TestChannelBind(t *testing.T) {
	tests := map[string]struct {
		setters []stun.Setter
		want    int
	}{
		"a new channel":                           {[]stun.Setter{channelNumber(0x4002), peer(peerB)}, 0},
		"the lowest number":                       {[]stun.Setter{channelNumber(0x4000), peer(peerB)}, 0},
		"the highest number":                      {[]stun.Setter{channelNumber(0x4FFF), peer(peerB)}, 0},
		"a refresh":                               {[]stun.Setter{channelNumber(0x4001), peer(peerA)}, 0},
		"another port of a bound address":         {[]stun.Setter{channelNumber(0x4002), peer(netip.AddrPortFrom(peerA.Addr(), 9))}, 0},
		"below the range":                         {[]stun.Setter{channelNumber(0x3FFF), peer(peerB)}, 400},
		"above the range":                         {[]stun.Setter{channelNumber(0x5000), peer(peerB)}, 400},
		"number 0":                                {[]stun.Setter{channelNumber(0), peer(peerB)}, 400},
		"number 0xFFFF":                           {[]stun.Setter{channelNumber(0xFFFF), peer(peerB)}, 400},
		"the number is bound to another peer":     {[]stun.Setter{channelNumber(0x4001), peer(peerB)}, 400},
		"the peer is bound to another number":     {[]stun.Setter{channelNumber(0x4002), peer(peerA)}, 400},
		"CHANNEL-NUMBER is missing":               {[]stun.Setter{peer(peerB)}, 400},
		"CHANNEL-NUMBER is malformed":             {[]stun.Setter{attr(stun.AttrChannelNumber, 0x40, 0), peer(peerB)}, 400},
		"XOR-PEER-ADDRESS is missing":             {[]stun.Setter{channelNumber(0x4002)}, 400},
		"XOR-PEER-ADDRESS is malformed":           {[]stun.Setter{channelNumber(0x4002), attr(stun.AttrXORPeerAddress, 1)}, 400},
		"port 0":                                  {[]stun.Setter{channelNumber(0x4002), peer(netip.AddrPortFrom(peerB.Addr(), 0))}, 400},
		"a denied peer":                           {[]stun.Setter{channelNumber(0x4002), peer(netip.MustParseAddrPort("127.0.0.1:1"))}, 403},
		"a peer of another family":                {[]stun.Setter{channelNumber(0x4002), peer(peer6)}, 443},
		"the first of two peers is the one bound": {[]stun.Setter{channelNumber(0x4001), peer(peerA), peer(peerB)}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{})
			u := l.user("alice", UDP)
			if got := codeOf(u.request(stun.MethodChannelBind, test.setters...)); got != 437 {
				t.Errorf("without an allocation: %d, want 437", got)
			}
			u.allocate()
			u.bind(0x4001, peerA)
			if got := codeOf(u.request(stun.MethodChannelBind, test.setters...)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			out := strings.HasSuffix(name, "the range") || strings.HasPrefix(name, "number 0")
			if got := u.b.counters.Refusals()["channel-number"] > 0; got != out {
				t.Errorf("counted as a number out of range: %v, want %v", got, out)
			}
		})
	}
	l := newLab(t, setup{change: func(c *Config) { c.WideChannels = true }})
	u := l.user("alice", UDP)
	u.allocate()
	u.bind(0x7FFF, peerA)
	u.raw([]byte{0x7f, 0xff, 0, 1, 'x'})
	if len(u.b.out) != 1 {
		t.Errorf("a channel number of RFC 5766, where it may be: %d packets relayed, want 1", len(u.b.out))
	}
	if got := codeOf(u.request(stun.MethodChannelBind, channelNumber(0x8000), peer(peerB))); got != 400 {
		t.Errorf("a number of no RFC: %d, want 400", got)
	}
}

// RFC 8656 section 12: a channel lives for 600 seconds, its permission for 300; ChannelBind refreshes
// both, and ChannelData needs both.
func TestChannelsExpire(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	r := u.b.relayAt(u.allocate(lifetime(3600)))
	u.bind(0x4000, peerA)
	from := func() int {
		u.b.sent = nil
		u.b.FromPeer(l.now, r, peerA, []byte("x"))
		if len(u.b.sent) == 0 {
			return 0
		}
		return int(u.b.sent[0].packet[0])
	}
	to := func() int {
		u.b.out = nil
		u.raw([]byte{0x40, 0, 0, 1, 'x'})
		return len(u.b.out)
	}
	l.pass(299 * time.Second)
	if to() != 1 || from() != 0x40 {
		t.Error("a bound channel does not work")
	}
	l.pass(time.Second)
	if to() != 0 || from() != 0 {
		t.Error("a channel works without a permission")
	}
	u.b.drops(map[string]uint64{"no-permission": 1, "peer-no-permission": 1})
	u.permit(peerA)
	if to() != 1 || from() != 0x40 {
		t.Error("a channel does not work with the permission made anew")
	}
	l.pass(299 * time.Second)
	u.permit(peerA)
	l.pass(time.Second)
	if sent, got := to(), from(); sent != 0 || got != 0 || len(u.b.sent) != 1 {
		t.Errorf("after 600 s: %d to the peer, want none; from the peer %#x, want a Data indication", sent, got)
	}
	u.b.drops(map[string]uint64{"no-channel": 1})
	u.bind(0x4000, peerB) // both are free again
	u.bind(0x4001, peerA)
	l.pass(250 * time.Second)
	u.bind(0x4001, peerA)
	l.pass(250 * time.Second)
	u.b.out = nil
	u.raw([]byte{0x40, 1, 0, 1, 'x'})
	if len(u.b.out) != 1 {
		t.Error("ChannelBind did not refresh the permission")
	}
	l.pass(time.Hour)
	l.idle()
}

// On reload, what is now denied ends.
func TestSetPolicyEndsWhatIsDenied(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	u.allocate()
	u.bind(0x4000, peerA)
	u.permit(peerB)
	if got := u.b.SetPolicy(peers(t, policy.Rules{Deny: []netip.Prefix{netip.MustParsePrefix("8.8.8.0/24")}})); got != 1 {
		t.Errorf("%d permissions ended, want 1", got)
	}
	u.raw([]byte{0x40, 0, 0, 0})
	u.b.drops(map[string]uint64{"no-channel": 1})
	for addr, want := range map[netip.AddrPort]int{peerA: 403, peerB: 0} {
		if got := codeOf(u.request(stun.MethodCreatePermission, peer(addr))); got != want {
			t.Errorf("%v: %d, want %d", addr, got, want)
		}
	}
	u.raw(build(stun.MethodSend, stun.ClassIndication, peer(peerB), attr(stun.AttrData, 1)))
	if len(u.b.out) != 1 {
		t.Error("the permission that is still allowed is gone")
	}
}
