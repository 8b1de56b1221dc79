package turn

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// RFC 6062 section 5.3.
func TestIncomingConnections(t *testing.T) {
	l := newLab(t, setup{})
	u, relayed := l.tcpUser("alice", TCP)
	r := u.b.relayAt(relayed)
	u.b.sent = nil
	if _, ok := u.b.Incoming(l.now, r, peerA); ok || len(u.b.sent) != 0 {
		t.Error("accepted without a permission")
	}
	u.permit(peerA)
	u.b.sent = nil
	id, ok := u.b.Incoming(l.now, r, peerA)
	if !ok {
		t.Fatal("not accepted with a permission")
	}
	m := u.answered()
	if m.Type != stun.NewType(stun.MethodConnectionAttempt, stun.ClassIndication) || connectionIn(t, m) != id || addrIn(t, m, stun.AttrXORPeerAddress) != peerA {
		t.Errorf("the client is told %v", m)
	}
	l.pass(30*time.Second - time.Millisecond)
	if len(u.b.closed) != 0 {
		t.Error("closed before 30 seconds")
	}
	l.pass(time.Millisecond)
	if !slices.Equal(u.b.closed, []uint32{id}) {
		t.Errorf("closed %v, want %v: it was not bound for 30 seconds", u.b.closed, id)
	}
	second, _ := u.b.Incoming(l.now, r, peerA)
	v := l.user("alice", TLS)
	if got := codeOf(v.once(stun.MethodConnectionBind, connectionID(second))); got != 0 || v.effect.Bound != second {
		t.Errorf("ConnectionBind: %d, %+v", got, v.effect)
	}
	u.b.Disconnected(second)
	if got := codeOf(l.user("alice", TLS).once(stun.MethodConnectionBind, connectionID(second))); got != 400 {
		t.Errorf("ConnectionBind to a connection that has ended: %d, want 400", got)
	}
	own := netip.AddrPortFrom(relay4, 99)
	u.permit(own)
	u.b.drops(map[string]uint64{"peer-no-permission": 1})
	if _, ok := u.b.Incoming(l.now, r, own); ok {
		t.Error("accepted from the host's own address")
	}
	u.b.Gone(u.client)
	if _, ok := u.b.Incoming(l.now, r, peerA); ok {
		t.Error("accepted for an allocation that has ended")
	}
	u.b.drops(map[string]uint64{"from-own-address": 1, "closed": 1})
	l.idle()
}

// Two TCP allocations of one relay are connected inside it.
func TestConnectInside(t *testing.T) {
	l := newLab(t, setup{})
	alice, aliceAt := l.tcpUser("alice", TCP)
	bob, bobAt := l.tcpUser("bob", TLS)
	if got := codeOf(alice.once(stun.MethodConnect, peer(bobAt))); got != 447 {
		t.Errorf("without bob's permission: %d, want 447", got)
	}
	bob.permit(aliceAt)
	alice.raw(alice.sign(stun.MethodConnect, peer(bobAt)))
	if len(alice.b.sent) != 2 || len(alice.b.dialed) != 0 || len(alice.b.joined) != 1 {
		t.Fatalf("%d packets, %d dialed, %d joined; want 2, none, one", len(alice.b.sent), len(alice.b.dialed), len(alice.b.joined))
	}
	attempt, answer := decode(t, alice.b.sent[0].packet), decode(t, alice.b.sent[1].packet)
	if alice.b.sent[0].to != bob.client || addrIn(t, attempt, stun.AttrXORPeerAddress) != aliceAt {
		t.Errorf("bob is told %v", attempt)
	}
	a, b := connectionIn(t, answer), connectionIn(t, attempt)
	if alice.b.joined[0] != [2]uint32{a, b} {
		t.Errorf("joined %v, want %v and %v", alice.b.joined[0], a, b)
	}
	for user, id := range map[string]uint32{"alice": a, "bob": b} {
		v := l.user(user, TCP)
		if got := codeOf(v.once(stun.MethodConnectionBind, connectionID(id))); got != 0 || v.effect.Bound != id {
			t.Errorf("%s binds: %d, %+v", user, got, v.effect)
		}
	}
	alice.b.Gone(alice.client)
	bob.b.Gone(bob.client)
	l.idle()
}

// Of two that connect to each other at once, from different engines, one does, and the other is told that it is connected.
func TestConnectInsideFromBothEnginesAtOnce(t *testing.T) {
	for _, first := range []int{0, 1} {
		l := newLab(t, setup{engines: 2})
		alice, aliceAt := l.tcpUser("alice", TCP)
		bob := l.user("bob", TCP)
		bob.b = l.engines[1]
		bobAt := addrIn(t, bob.must(stun.MethodAllocate, transport(protocolTCP)), stun.AttrXORRelayedAddress)
		alice.permit(bobAt)
		bob.permit(aliceAt)
		for user, at := range map[*requester]netip.AddrPort{alice: bobAt, bob: aliceAt} {
			if got := codeOf(user.once(stun.MethodConnect, peer(at))); got != -1 {
				t.Fatalf("Connect is answered %d before the other engine is asked", got)
			}
		}
		alice.b.sent, bob.b.sent = nil, nil
		made := l.engines[first].reply()
		made += l.engines[1-first].reply()
		if made != 1 {
			t.Errorf("engine %d first: %d connections came of it", first, made)
		}
		winner, loser, at := alice, bob, aliceAt // the smaller address
		if bobAt.Compare(aliceAt) < 0 {
			winner, loser, at = bob, alice, bobAt
		}
		if got := codeOf(winner.answered()); got != 0 {
			t.Errorf("engine %d first: who has the smaller address is answered %d", first, got)
		}
		if got := codeOf(loser.once(stun.MethodConnect, peer(at))); got != 446 {
			t.Errorf("engine %d first: the other one connects again: %d, want 446", first, got)
		}
	}
}

// So are two whose clients came to different engines.
func TestConnectInsideFromEngineToEngine(t *testing.T) {
	l := newLab(t, setup{engines: 2})
	alice, aliceAt := l.tcpUser("alice", TCP)
	bob := l.user("bob", TLS)
	bob.b = l.engines[1]
	bobAt := addrIn(t, bob.must(stun.MethodAllocate, transport(protocolTCP)), stun.AttrXORRelayedAddress)
	connect := func() int {
		t.Helper()
		if got := codeOf(alice.once(stun.MethodConnect, peer(bobAt))); got != -1 {
			t.Fatalf("Connect is answered %d before the other engine is asked", got)
		}
		return alice.b.reply()
	}
	if connect() != 0 || codeOf(alice.answered()) != 447 {
		t.Error("connected without bob's permission")
	}
	bob.permit(aliceAt)
	bob.b.sent = nil
	if connect() != 1 {
		t.Fatal("not connected")
	}
	answer, attempt := alice.answered(), bob.answered()
	if codeOf(answer) != 0 || addrIn(t, attempt, stun.AttrXORPeerAddress) != aliceAt {
		t.Errorf("alice is told %v, and bob %v", answer, attempt)
	}
	for user, want := range map[string]struct {
		id    uint32
		owner int
	}{"alice": {connectionIn(t, answer), 0}, "bob": {connectionIn(t, attempt), 1}} {
		v := l.user(user, TCP)
		v.b = l.engines[1-want.owner]
		if got := codeOf(v.once(stun.MethodConnectionBind, connectionID(want.id))); got != 0 || v.effect.Bound != want.id || v.effect.Owner != want.owner {
			t.Errorf("%s binds at the other engine: %d, %+v", user, got, v.effect)
		}
	}
	if got := codeOf(alice.once(stun.MethodConnect, peer(bobAt))); got != 446 {
		t.Errorf("connecting again: %d, want 446", got)
	}

	// It may end while the other engine is asked.
	carol, _ := l.tcpUser("alice", TCP)
	carol.once(stun.MethodConnect, peer(bobAt))
	bob.b.Gone(bob.client)
	bob.b.drops(map[string]uint64{"peer-no-permission": 1})
	if carol.b.reply() != 0 {
		t.Error("connected with an allocation that has ended")
	}
	bob.b.drops(map[string]uint64{"closed": 1})
	dave, daveAt := l.tcpUser("bob", TCP)
	carol.permit(daveAt)
	dave.once(stun.MethodConnect, peer(netip.AddrPortFrom(relay4, 9)))
	alice.b.Gone(alice.client)
	carol.b.Gone(carol.client)
	if dave.b.reply() != 0 {
		t.Error("connected for an allocation that has ended")
	}
	dave.b.Gone(dave.client)
	l.idle()
}

func TestConnectionsAreBounded(t *testing.T) {
	l := newLab(t, setup{change: func(c *Config) { c.Connections = 3; c.Bits = 8000 }})
	u, relayed := l.tcpUser("alice", TCP)
	for i := range 5 {
		want := -1
		if i >= 3 {
			want = 508
		}
		if got := codeOf(u.once(stun.MethodConnect, peer(netip.AddrPortFrom(peerA.Addr(), uint16(i+1))))); got != want {
			t.Errorf("Connect %d: %d, want %d", i, got, want)
		}
	}
	u.permit(peerB)
	if _, ok := u.b.Incoming(l.now, u.b.relayAt(relayed), peerB); ok {
		t.Error("a connection above the limit is accepted")
	}
	id := u.b.dialed[0].id
	u.b.Connected(l.now, id)
	wait := u.b.Carried(l.now, id, true, 1000) + u.b.Carried(l.now, id, false, 1000)
	if wait < 2*time.Second || wait > 3*time.Second {
		t.Errorf("2000 bytes at 1000 a second: waits sum up to %v", wait)
	}
	if got := u.b.Carried(l.now, id+1, true, 1000); got != 0 {
		t.Errorf("an unknown connection waits %v", got)
	}
	u.b.Gone(u.client)
	l.idle()
}

// Half of a dual TCP allocation takes its connections with it.
func TestConnectionsEndWithTheirHalf(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", TCP)
	u.must(stun.MethodAllocate, transport(protocolTCP), additional(IPv6))
	u.once(stun.MethodConnect, peer(peerA))
	u.once(stun.MethodConnect, peer(peer6))
	first, second := u.b.dialed[0], u.b.dialed[1]
	if first.from.Addr() != relay4 || second.from.Addr() != relay6 {
		t.Errorf("dialed from %v and %v, want one of each family", first.from, second.from)
	}
	got := u.raw(u.sign(stun.MethodRefresh, family(IPv6), lifetime(0)))
	if len(got) != 2 || codeOf(decode(t, got[0])) != 447 || codeOf(decode(t, got[1])) != 0 {
		t.Errorf("got %d packets, want 447 for the Connect and success for the Refresh", len(got))
	}
	if !slices.Equal(u.b.closed, []uint32{second.id}) {
		t.Errorf("closed %v, want %v", u.b.closed, second.id)
	}
	if !u.b.Connected(l.now, first.id) {
		t.Error("the other half's connection is gone too")
	}
	u.b.SetPolicy(peers(t, policy.Rules{Deny: []netip.Prefix{netip.PrefixFrom(peerA.Addr(), 32)}}))
	if !slices.Equal(u.b.closed, []uint32{second.id, first.id}) {
		t.Errorf("closed %v, want both: the policy denies the peer now", u.b.closed)
	}
	u.b.Gone(u.client)
	l.idle()
}

// What is told of a connection that another engine made changes nothing.
func TestConnectionsBelongToTheirEngine(t *testing.T) {
	l := newLab(t, setup{engines: 2})
	u, _ := l.tcpUser("alice", TCP)
	u.once(stun.MethodConnect, peer(peerA))
	id := u.b.dialed[0].id
	other := l.engines[1]
	other.Failed(id)
	other.Disconnected(id)
	if other.Connected(l.now, id) || other.Carried(l.now, id, true, 1) != 0 || !u.b.Connected(l.now, id) {
		t.Error("another engine had a say")
	}
	v := l.user("alice", TLS)
	v.b = other
	v.once(stun.MethodConnectionBind, connectionID(id))
	if v.effect.Bound != id || v.effect.Owner != 0 {
		t.Errorf("got %+v, want the connection of engine 0", v.effect)
	}
	u.b.Gone(u.client)
	l.idle()
}
