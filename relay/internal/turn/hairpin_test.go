package turn

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

var transports = []Transport{UDP, TCP, TLS, DTLS}

// Two clients of one relay meet inside it, over any two transports, at one engine or two.
func TestHairpin(t *testing.T) {
	for _, engines := range []int{1, 2} {
		for _, x := range transports {
			for _, y := range transports {
				for _, f := range []Family{IPv4, IPv6} {
					for name, rules := range map[string]policy.Rules{
						"by default":             {},
						"where a rule allows it": {Allow: []netip.Prefix{netip.PrefixFrom(relay4, 32), netip.PrefixFrom(relay6, 128)}},
					} {
						t.Run(name, func(t *testing.T) { hairpin(t, engines, x, y, f, rules) })
					}
				}
			}
		}
	}
}

func hairpin(t *testing.T, engines int, x, y Transport, f Family, rules policy.Rules) {
	l := newLab(t, setup{engines: engines, rules: rules, change: func(c *Config) {
		c.Relayed = func(a netip.Addr) bool { return a == relay4 || a == relay6 }
	}})
	alice, bob := l.user("alice", x), l.user("bob", y)
	bob.b = l.engines[engines-1]
	aliceAt, bobAt := alice.allocate(family(f)), bob.allocate(family(f))
	say := func(from *requester, to netip.AddrPort, p []byte) []sent {
		from.b.sent, l.engines[engines-1].sent = nil, nil
		from.b.FromClient(l.now, from.client, p)
		return l.engines[engines-1].sent
	}
	send := build(stun.MethodSend, stun.ClassIndication, peer(bobAt), attr(stun.AttrData, 'h', 'i'))

	if got := say(alice, bobAt, send); len(got) != 0 {
		t.Error("relayed without the sender's permission")
	}
	alice.b.drops(map[string]uint64{"no-permission": 1})
	alice.permit(bobAt)
	if got := say(alice, bobAt, send); len(got) != 0 {
		t.Error("relayed without the receiver's permission")
	}
	bob.b.drops(map[string]uint64{"peer-no-permission": 1})
	bob.permit(aliceAt)
	got := say(alice, bobAt, send)
	if len(got) != 1 || got[0].to != bob.client {
		t.Fatalf("got %+v, want one packet for bob", got)
	}
	m := decode(t, got[0].packet)
	if from := addrIn(t, m, stun.AttrXORPeerAddress); from != aliceAt {
		t.Errorf("bob sees %v, want alice's relayed address %v", from, aliceAt)
	}
	if data, _ := m.Get(stun.AttrData); string(data) != "hi" {
		t.Errorf("bob got %q", data)
	}
	alice.bind(0x4000, bobAt)
	bob.bind(0x4001, aliceAt)
	if got = say(alice, bobAt, []byte{0x40, 0, 0, 2, 'h', 'o', 0, 0}); len(got) != 1 || string(got[0].packet[:6]) != "\x40\x01\x00\x02ho" {
		t.Errorf("through channels: got %+v", got)
	}
	for _, b := range l.engines {
		if len(b.out) != 0 {
			t.Errorf("%v left by a socket", b.out)
		}
		b.drops(nil)
	}
	sum := func(pick func(Counters) Flow) (n Flow) {
		for _, b := range l.engines {
			f := pick(b.Counters())
			n.Packets, n.Bytes = n.Packets+f.Packets, n.Bytes+f.Bytes
		}
		return n
	}
	if to, from := sum(func(c Counters) Flow { return c.ToPeers }), sum(func(c Counters) Flow { return c.FromPeers }); to != (Flow{3, 6}) || from != (Flow{2, 4}) {
		t.Errorf("metered %+v to peers and %+v from them, want 3 and 2 packets", to, from)
	}
	l.pass(299 * time.Second)
	bob.b.Gone(bob.client)
	if got = say(alice, bobAt, []byte{0x40, 0, 0, 2, 'h', 'o', 0, 0}); len(got) != 0 {
		t.Error("relayed to an allocation that has ended")
	}
	if rules.Allow == nil {
		alice.b.drops(map[string]uint64{"to-own-address": 1})
	} else if len(alice.b.out) != 1 {
		t.Error("a rule allows the address, but the packet did not leave")
	}
	alice.b.Gone(alice.client)
	l.idle()
}

// A permission for the relay's address opens no other service of the host.
func TestTheHostItselfIsOutOfReach(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	r := u.b.relayAt(u.allocate())
	service := netip.AddrPortFrom(relay4, 53)
	u.permit(service)
	u.bind(0x4000, service)
	for _, p := range [][]byte{
		{0x40, 0, 0, 1, 'x'},
		build(stun.MethodSend, stun.ClassIndication, peer(service), attr(stun.AttrData, 'x')),
		build(stun.MethodSend, stun.ClassIndication, peer(netip.AddrPortFrom(relay4, 54)), attr(stun.AttrData, 'x')),
	} {
		u.raw(p)
	}
	if len(u.b.out) != 0 {
		t.Errorf("%v left", u.b.out)
	}
	u.b.sent = nil
	u.b.FromPeer(l.now, r, service, []byte("x"))
	if len(u.b.sent) != 0 {
		t.Error("a datagram from the host's own address is relayed")
	}
	u.b.drops(map[string]uint64{"to-own-address": 3, "from-own-address": 1})
	if got := u.b.Counters().ToPeers.Packets; got != 0 {
		t.Errorf("%d packets counted as relayed", got)
	}
	// Another address of the host has no permission to begin with.
	if got := codeOf(u.request(stun.MethodCreatePermission, peer(netip.MustParseAddrPort("9.9.9.9:53")))); got != 403 {
		t.Errorf("an interface's address: %d, want 403", got)
	}
}

// An allocation may be its own peer; that ends after one round.
func TestAnAllocationCanReachItself(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	self := u.allocate()
	u.bind(0x4000, self)
	if got := u.raw([]byte{0x40, 0, 0, 1, 'x'}); len(got) != 1 || string(got[0]) != "\x40\x00\x00\x01x" {
		t.Errorf("got %q", got)
	}
}

// What comes from another engine for an allocation that has ended meanwhile is dropped.
func TestFromInsideTooLate(t *testing.T) {
	l := newLab(t, setup{engines: 2})
	u := l.user("alice", UDP)
	at := u.allocate()
	l.engines[1].FromInside(l.now, at, at, []byte("for another engine"))
	u.b.Gone(u.client)
	u.b.FromInside(l.now, at, at, []byte("late"))
	l.engines[1].drops(map[string]uint64{"closed": 1})
	u.b.drops(map[string]uint64{"closed": 1})
}

// A relay may be reached by the address its socket is bound to as well as by the one it advertises.
func TestTheBoundAddressLeadsInsideToo(t *testing.T) {
	inner := netip.MustParseAddr("10.9.8.7")
	l := newLab(t, setup{change: func(c *Config) {
		c.Ports = translated{c.Ports, inner}
		c.Policy = relayedToo{c.Policy, inner}
	}})
	alice, bob := l.user("alice", UDP), l.user("bob", UDP)
	aliceAt, bobAt := alice.allocate(), bob.allocate()
	bob.permit(aliceAt)
	bobInside := netip.AddrPortFrom(inner, bobAt.Port())
	alice.bind(0x4000, bobInside)
	alice.raw([]byte{0x40, 0, 0, 1, 'x'})
	if len(alice.b.sent) != 1 || alice.b.sent[0].to != bob.client {
		t.Fatalf("got %+v, want one packet for bob", alice.b.sent)
	}
	if got := addrIn(t, decode(t, alice.b.sent[0].packet), stun.AttrXORPeerAddress); got != aliceAt {
		t.Errorf("bob sees %v, want the advertised %v", got, aliceAt)
	}
	alice.b.Gone(alice.client)
	bob.b.Gone(bob.client)
	l.idle()
}

type translated struct {
	Ports
	inner netip.Addr
}

func (p translated) Open(r *Relay, w Wish) (Opened, error) {
	o, err := p.Ports.Open(r, w)
	o.Bound = netip.AddrPortFrom(p.inner, o.Relayed.Port())
	return o, err
}

type relayedToo struct {
	Policy
	inner netip.Addr
}

func (p relayedToo) Judge(a netip.Addr) (policy.Verdict, string) {
	if a == p.inner {
		return policy.Inside, "relay address"
	}
	return p.Policy.Judge(a)
}
