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
