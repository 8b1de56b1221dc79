package turn

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// tcpUser has a TCP allocation.
func (l *lab) tcpUser(name string, transportOver Transport) (*requester, netip.AddrPort) {
	l.t.Helper()
	u := l.user(name, transportOver)
	m := u.must(stun.MethodAllocate, transport(protocolTCP))
	return u, addrIn(l.t, m, stun.AttrXORRelayedAddress)
}

func connectionIn(t *testing.T, m *stun.Message) uint32 {
	t.Helper()
	value, err := m.Get(stun.AttrConnectionID)
	if err != nil || len(value) != 4 {
		t.Fatalf("%v has no CONNECTION-ID", m)
	}
	return binary.BigEndian.Uint32(value)
}

func connectionID(id uint32) stun.Setter {
	return attr(stun.AttrConnectionID, binary.BigEndian.AppendUint32(nil, id)...)
}

// answered returns the last packet for a client.
func (u *requester) answered() *stun.Message {
	u.t.Helper()
	if len(u.b.sent) != 1 || u.b.sent[0].to != u.client {
		u.t.Fatalf("got %d packets, want one for the client", len(u.b.sent))
	}
	m := decode(u.t, u.b.sent[0].packet)
	u.b.sent = nil
	return m
}

// RFC 6062 section 5.2.
func TestConnect(t *testing.T) {
	for name, test := range map[string]struct {
		setters []stun.Setter
		want    int // -1: no answer yet
	}{
		"a peer":                                 {[]stun.Setter{peer(peerA)}, -1},
		"no peer":                                {nil, 400},
		"a malformed peer":                       {[]stun.Setter{attr(stun.AttrXORPeerAddress, 1)}, 400},
		"port 0":                                 {[]stun.Setter{peer(netip.AddrPortFrom(peerA.Addr(), 0))}, 400},
		"a denied peer":                          {[]stun.Setter{peer(netip.MustParseAddrPort("169.254.169.254:80"))}, 403},
		"a peer of another family":               {[]stun.Setter{peer(peer6)}, 443},
		"an address of the relay, where is none": {[]stun.Setter{peer(netip.AddrPortFrom(relay4, 22))}, 447},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{})
			u := l.user("alice", TCP)
			if got := codeOf(u.request(stun.MethodConnect, test.setters...)); got != 437 {
				t.Errorf("without an allocation: %d, want 437", got)
			}
			u, relayed := l.tcpUser("alice", TCP)
			if got := codeOf(u.once(stun.MethodConnect, test.setters...)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			if test.want != -1 {
				if len(u.b.dialed) != 0 {
					t.Errorf("dialed %v", u.b.dialed)
				}
				return
			}
			if len(u.b.dialed) != 1 || u.b.dialed[0].from != relayed || u.b.dialed[0].to != peerA {
				t.Fatalf("dialed %+v, want %v from %v", u.b.dialed, peerA, relayed)
			}
			if got := codeOf(u.once(stun.MethodConnect, test.setters...)); got != 446 {
				t.Errorf("again while it is being made: %d, want 446", got)
			}
		})
	}
	l := newLab(t, setup{})
	u := l.user("alice", TCP)
	u.allocate()
	if got := codeOf(u.request(stun.MethodConnect, peer(peerA))); got != 400 {
		t.Errorf("Connect on a UDP allocation: %d, want 400", got)
	}
	v, _ := l.tcpUser("alice", TLS)
	if got := codeOf(v.request(stun.MethodChannelBind, channelNumber(0x4000), peer(peerA))); got != 400 {
		t.Errorf("ChannelBind on a TCP allocation: %d, want 400", got)
	}
	v.permit(peerA)
	v.raw(build(stun.MethodSend, stun.ClassIndication, peer(peerA), attr(stun.AttrData, 1)))
	v.b.drops(map[string]uint64{"malformed": 1})
}

// RFC 6062 sections 5.2 and 5.4: success, then ConnectionBind over another connection, at any engine.
func TestConnectAndBind(t *testing.T) {
	l := newLab(t, setup{engines: 2})
	u, _ := l.tcpUser("alice", TLS)
	u.once(stun.MethodConnect, peer(peerA), stun.Fingerprint)
	id := u.b.dialed[0].id
	data := func(user string) *requester {
		v := l.user(user, TCP)
		v.b = l.engines[1]
		return v
	}
	if got := codeOf(data("alice").once(stun.MethodConnectionBind, connectionID(id))); got != 400 {
		t.Errorf("bound before the peer is connected: %d, want 400", got)
	}
	u.b.sent = nil
	if !u.b.Connected(l.now, id) {
		t.Fatal("the connection is not wanted any more")
	}
	m := u.answered()
	if codeOf(m) != 0 || connectionIn(t, m) != id || !integritySHA1.check(algorithmMD5.key("alice", "parley", "secret"), m.Raw) || !m.Contains(stun.AttrFingerprint) {
		t.Errorf("Connect is answered by %v", m)
	}
	if u.b.Connected(l.now, id) {
		t.Error("connected twice")
	}
	if got := codeOf(u.once(stun.MethodConnect, peer(peerA))); got != 446 {
		t.Errorf("again while it waits to be bound: %d, want 446", got)
	}
	for name, test := range map[string]struct {
		from    *requester
		setters []stun.Setter
		want    int
	}{
		"no CONNECTION-ID":            {data("alice"), nil, 400},
		"a malformed CONNECTION-ID":   {data("alice"), []stun.Setter{attr(stun.AttrConnectionID, 1)}, 400},
		"another CONNECTION-ID":       {data("alice"), []stun.Setter{connectionID(id + 1)}, 400},
		"another user":                {data("bob"), []stun.Setter{connectionID(id)}, 441},
		"over the control connection": {u, []stun.Setter{connectionID(id)}, 400},
	} {
		if got := codeOf(test.from.once(stun.MethodConnectionBind, test.setters...)); got != test.want || test.from.effect.Bound != 0 {
			t.Errorf("%s: %d with effect %+v, want %d", name, got, test.from.effect, test.want)
		}
	}
	over := data("alice")
	over.client.Transport = UDP
	if got := codeOf(over.once(stun.MethodConnectionBind, connectionID(id))); got != 400 {
		t.Errorf("over UDP: %d, want 400", got)
	}
	v := data("alice")
	v.nonce = u.nonce // a nonce is for an address, whatever the port
	if got := codeOf(v.once(stun.MethodConnectionBind, connectionID(id))); got != 0 || v.effect != (Effect{Authenticated: true, Bound: id}) {
		t.Fatalf("got %d with effect %+v, want success", got, v.effect)
	}
	if got := codeOf(data("alice").once(stun.MethodConnectionBind, connectionID(id))); got != 400 {
		t.Errorf("bound twice: %d, want 400", got)
	}
	l.pass(10*time.Minute - time.Second)
	if len(u.b.closed) != 0 {
		t.Error("a bound connection was closed")
	}
	u.b.Carried(l.now, id, true, 100)
	u.b.Carried(l.now, id, false, 50)
	if c := u.b.Counters(); c.ToPeers != (Flow{1, 100}) || c.FromPeers != (Flow{1, 50}) {
		t.Errorf("counted %+v and %+v", c.ToPeers, c.FromPeers)
	}
	l.pass(time.Second) // the allocation ends
	if !slices.Equal(u.b.closed, []uint32{id}) {
		t.Errorf("closed %v, want %v: connections end with the allocation", u.b.closed, id)
	}
	u.b.Disconnected(id)
	l.idle()
}

// RFC 6062 section 5.2: 447 when the peer cannot be connected to, after 30 seconds at the latest.
func TestConnectFails(t *testing.T) {
	l := newLab(t, setup{})
	u, _ := l.tcpUser("alice", TCP)
	u.once(stun.MethodConnect, peer(peerA))
	u.b.sent = nil
	u.b.Failed(u.b.dialed[0].id)
	if got := codeOf(u.answered()); got != 447 {
		t.Errorf("refused by the peer: %d, want 447", got)
	}
	u.b.Failed(u.b.dialed[0].id)
	u.once(stun.MethodConnect, peer(peerA))
	u.b.sent = nil
	l.pass(30*time.Second - time.Millisecond)
	if len(u.b.sent) != 0 {
		t.Error("given up before 30 seconds")
	}
	l.pass(time.Millisecond)
	if got := codeOf(u.answered()); got != 447 {
		t.Errorf("after 30 seconds: %d, want 447", got)
	}
	if id := u.b.dialed[1].id; !slices.Equal(u.b.closed, []uint32{id}) || u.b.Connected(l.now, id) {
		t.Errorf("closed %v, want %v", u.b.closed, id)
	}
	u.once(stun.MethodConnect, peer(peerA))
	u.b.sent = nil
	u.b.Gone(u.client)
	l.idle()
	if u.b.Connected(l.now, u.b.dialed[2].id) {
		t.Error("a connection for an allocation that has ended is wanted")
	}
}

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
