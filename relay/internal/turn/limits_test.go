package turn

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// nth returns the nth address of a public network.
func nth(i int) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x08000000+uint32(i))
	return netip.AddrPortFrom(netip.AddrFrom4(b), uint16(1+i%60000))
}

func TestQuotas(t *testing.T) {
	l := newLab(t, setup{engines: 2, limits: Limits{Allocations: 7, AllocationsPerUser: 3, AllocationsPerSource: 5}})
	n := 0
	allocate := func(user string, engine int, from string, setters ...stun.Setter) (int, *requester) {
		u := l.user(user, UDP)
		n++
		u.client.Addr = netip.AddrPortFrom(netip.MustParseAddr(from), uint16(n))
		u.b = l.engines[engine]
		return codeOf(u.request(stun.MethodAllocate, append(setters, transport(protocolUDP))...)), u
	}
	expect := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	var first *requester
	for i := range 3 {
		got, u := allocate("alice", i%2, "203.0.113.1")
		expect("within the user's quota", got, 0)
		first = u
	}
	got, _ := allocate("alice", 1, "203.0.113.2")
	expect("beyond the user's quota, from elsewhere, at the other engine", got, 486)
	first.b.Gone(first.client)
	got, _ = allocate("alice", 1, "203.0.113.1", attr(stun.AttrEvenPort, 0x80))
	expect("a pair with room for one", got, 486)
	got, _ = allocate("alice", 1, "203.0.113.1")
	expect("when one has ended", got, 0)
	for range 2 {
		got, _ = allocate("bob", 0, "203.0.113.1")
		expect("within the source's quota", got, 0)
	}
	got, _ = allocate("bob", 0, "203.0.113.1")
	expect("beyond the source's quota", got, 486)
	got, _ = allocate("bob", 0, "2a00:1::1")
	expect("from another source", got, 0)
	got, _ = allocate("rotated", 0, "2a00:1::2")
	expect("the relay's last", got, 0)
	got, _ = allocate("rotated", 0, "2a00:1::3")
	expect("beyond the relay's capacity", got, 508)
	if got := l.shared.Live(); got != 7 {
		t.Errorf("%d live, want 7", got)
	}
	refused := l.engines[0].counters.Refusals()
	if refused["source-quota"] != 2 || refused["capacity"] != 2 || l.engines[1].counters.Refusals()["user-quota"] != 4 {
		t.Errorf("refused %v, want 2 for the source and 2 for the capacity, each request having come twice", refused)
	}
	for _, b := range l.engines {
		b.Close()
	}
	l.idle()
}

// An IPv6 source is a /64, since that is what one subscriber has.
func TestSourcesAreNetworks(t *testing.T) {
	for a, test := range map[string]struct {
		b    string
		same bool
	}{
		"192.0.2.1":            {"192.0.2.2", false},
		"2a00:1:2:3::1":        {"2a00:1:2:3:ffff::", true},
		"2a00:1:2:4::1":        {"2a00:1:2:5::1", false},
		"::ffff:192.0.2.1":     {"192.0.2.1", true},
		"::ffff:192.0.2.2":     {"192.0.2.1", false},
		"2a00:1:2:6:0:0:1:255": {"2a00:1:2:6::", true},
	} {
		if got := source(netip.MustParseAddr(a)) == source(netip.MustParseAddr(test.b)); got != test.same {
			t.Errorf("%s and %s are one source: %v, want %v", a, test.b, got, test.same)
		}
	}
}

// A request with more peers than there may be permissions is refused, not worked through.
func TestTooManyPeersInOneRequest(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	u.allocate()
	setters := make([]stun.Setter, 257)
	for i := range setters {
		setters[i] = peer(peerA)
	}
	if got := codeOf(u.request(stun.MethodCreatePermission, setters[:256]...)); got != 508 {
		t.Errorf("256 peers that are new: %d, want 508 for the rate", got)
	}
	u.permit(peerA)
	if got := codeOf(u.request(stun.MethodCreatePermission, setters[:256]...)); got != 0 {
		t.Errorf("256 times the same peer: %d, want success", got)
	}
	if got := codeOf(u.request(stun.MethodCreatePermission, setters...)); got != 508 {
		t.Errorf("257 peers: %d, want 508", got)
	}
}

func TestPortsRunOut(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	u.b.fail[IPv4] = ErrPorts
	if got := codeOf(u.request(stun.MethodAllocate, transport(protocolUDP), attr(stun.AttrEvenPort, 0x80))); got != 508 {
		t.Errorf("got %d, want 508", got)
	}
	if got := u.b.counters.Refusals()["no-port"]; got != 2 {
		t.Errorf("%d refusals as no-port, want 2", got)
	}
	l.idle()
}

// 10,000 channels: 256 are bound, each of the others is refused, and what is bound works.
func TestTenThousandChannels(t *testing.T) {
	l := newLab(t, setup{change: func(c *Config) { c.WideChannels = true }})
	u := l.user("alice", UDP)
	u.allocate()
	bound := 0
	for i := range 10_000 {
		l.now = l.now.Add(10 * time.Millisecond) // 20 new peers a second
		switch got := codeOf(u.once(stun.MethodChannelBind, channelNumber(uint16(minChannel+i)), peer(nth(i)))); got {
		case 0:
			bound++
		case 508:
		default:
			t.Fatalf("channel %d: %d", i, got)
		}
	}
	a := u.b.allocations[u.client.tuple()]
	if bound != 256 || len(a.channels) != 256 || len(a.bound) != 256 || len(a.permissions) != 256 {
		t.Errorf("%d bound; %d channels, %d peers, %d permissions in memory; want 256", bound, len(a.channels), len(a.bound), len(a.permissions))
	}
	for n, c := range a.channels {
		u.b.out = nil
		u.raw([]byte{byte(n >> 8), byte(n), 0, 1, 'x'})
		if len(u.b.out) != 1 || u.b.out[0].to != c.peer {
			t.Fatalf("channel %#x: got %v, want a packet to %v", n, u.b.out, c.peer)
		}
	}
	refused := u.b.counters.Refusals()
	if refused["channels"]+refused["peer-rate"] != 10_000-256 {
		t.Errorf("refused %v", refused)
	}
	u.must(stun.MethodRefresh, lifetime(3600))
	l.now = l.now.Add(channelLife) // nobody calls Expire, yet what has expired makes room
	u.bind(minChannel, nth(20_000))
	if len(a.channels) != 1 || len(a.permissions) != 1 {
		t.Errorf("%d channels and %d permissions after they expired, want the new one", len(a.channels), len(a.permissions))
	}
	l.pass(time.Hour)
	l.idle()
}

// A million permissions asked for: no more than 256 at once are kept, memory does not grow.
func TestAMillionPermissions(t *testing.T) {
	l := newLab(t, setup{change: func(c *Config) { c.Sink = discard{} }})
	u := l.user("alice", UDP)
	c := u.client
	e := l.engines[0]
	u.nonce = e.nonces.appendTo(nil, l.now, c.Addr.Addr())
	e.FromClient(l.now, c, u.sign(stun.MethodAllocate, transport(protocolUDP), lifetime(3600)))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const each = 100 // peers in a request
	for i := 0; i < 1_000_000; i += each {
		l.now = l.now.Add(100 * time.Millisecond)
		setters := make([]stun.Setter, each)
		for n := range setters {
			setters[n] = peer(nth(i + n))
		}
		if i%100_000 == 0 {
			u.nonce = e.nonces.appendTo(nil, l.now, c.Addr.Addr())
			e.FromClient(l.now, c, u.sign(stun.MethodRefresh, lifetime(3600)))
		}
		e.FromClient(l.now, c, u.sign(stun.MethodCreatePermission, setters...))
		if next := e.Next(); !next.IsZero() && !next.After(l.now) {
			e.Expire(l.now)
		}
		if got := len(e.allocations[c.tuple()].permissions); got > 256 {
			t.Fatalf("%d permissions", got)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	refused := e.counters.Refusals()
	if refused["permissions"] == 0 || refused["peer-rate"] == 0 {
		t.Errorf("refused %v, want some by number and some by rate", refused)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	e.Gone(c)
	l.idle()
}

// What an allocation costs in memory, with one permission and one channel.
func TestMemoryOfAnAllocation(t *testing.T) {
	const n = 10_000
	l := newLab(t, setup{limits: Limits{AllocationsPerUser: n, AllocationsPerSource: n}, change: func(c *Config) { c.Sink = discard{} }})
	e := l.engines[0]
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		u := l.user("alice", UDP)
		u.nonce = e.nonces.appendTo(nil, l.now, u.client.Addr.Addr())
		e.FromClient(l.now, u.client, u.sign(stun.MethodAllocate, transport(protocolUDP)))
		e.FromClient(l.now, u.client, u.sign(stun.MethodChannelBind, channelNumber(0x4000), peer(peerA)))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := e.Len(); got != n {
		t.Fatalf("%d allocations, want %d", got, n)
	}
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
	t.Logf("%d bytes per allocation", each)
	if each > 4096 {
		t.Errorf("%d bytes per allocation, want at most 4096", each)
	}
	e.Close()
	l.idle()
}
