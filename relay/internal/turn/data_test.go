package turn

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// RFC 8656 sections 11.2 and 12.6: from the client to the peer.
func TestFromTheClientToThePeer(t *testing.T) {
	data := func(b ...byte) stun.Setter { return attr(stun.AttrData, b...) }
	send := func(setters ...stun.Setter) []byte {
		return build(stun.MethodSend, stun.ClassIndication, setters...)
	}
	df := attr(stun.AttrDontFragment)
	unsigned := stun.NewShortTermIntegrity("x")
	tests := map[string]struct {
		p    []byte
		want string // to the peer
		df   bool
		drop string
	}{
		"Send":                                          {send(peer(peerA), data('h', 'i')), "hi", false, ""},
		"Send, the other way round":                     {send(data('h', 'i'), peer(peerA)), "hi", false, ""},
		"Send of nothing":                               {send(peer(peerA), data()), "", false, ""},
		"Send with DONT-FRAGMENT":                       {send(peer(peerA), df, data('h', 'i')), "hi", true, ""},
		"Send with an optional attribute":               {send(peer(peerA), attr(0x8022, 'x'), data('h')), "h", false, ""},
		"Send with FINGERPRINT":                         {send(peer(peerA), data('h'), stun.Fingerprint), "h", false, ""},
		"Send, the first of two DATA":                   {send(peer(peerA), data('h'), data('i')), "h", false, ""},
		"Send, the first of two XOR-PEER-ADDRESS":       {send(peer(peerA), peer(peerB), data('h')), "h", false, ""},
		"Send to an IPv4-mapped address":                {send(mapped(peerA), data('h')), "h", false, ""},
		"Send, what follows the signature is ignored":   {send(peer(peerA), data('h'), unsigned, attr(0x7777), df), "h", false, ""},
		"Send with DATA only behind the signature":      {send(peer(peerA), unsigned, data('h')), "", false, "malformed"},
		"Send with an attribute that is not known":      {send(peer(peerA), attr(0x7777), data('h')), "", false, "malformed"},
		"Send without DATA":                             {send(peer(peerA)), "", false, "malformed"},
		"Send without XOR-PEER-ADDRESS":                 {send(data('h')), "", false, "malformed"},
		"Send with a malformed XOR-PEER-ADDRESS":        {send(attr(stun.AttrXORPeerAddress, 1), data('h')), "", false, "malformed"},
		"Send to port 0":                                {send(peer(netip.AddrPortFrom(peerA.Addr(), 0)), data('h')), "", false, "malformed"},
		"Send without a permission":                     {send(peer(peerB), data('h')), "", false, "no-permission"},
		"Send to another family":                        {send(peer(peer6), data('h')), "", false, "no-permission"},
		"ChannelData":                                   {[]byte{0x40, 0, 0, 2, 'h', 'i'}, "hi", false, ""},
		"ChannelData with padding, accepted over UDP":   {[]byte{0x40, 0, 0, 2, 'h', 'i', 0, 0}, "hi", false, ""},
		"ChannelData of Length 0 is forwarded":          {[]byte{0x40, 0, 0, 0}, "", false, ""},
		"ChannelData with a Length beyond the datagram": {[]byte{0x40, 0, 0, 3, 'h', 'i'}, "", false, "malformed"},
		"ChannelData with a Length of 0xFFEC":           {[]byte{0x40, 0, 0xff, 0xec, 'h', 'i'}, "", false, "malformed"},
		"ChannelData with a number that is not bound":   {[]byte{0x40, 1, 0, 1, 'h'}, "", false, "no-channel"},
	}
	for name, test := range tests {
		for _, over := range []Transport{UDP, TCP, TLS, DTLS} {
			t.Run(over.String()+": "+name, func(t *testing.T) {
				l := newLab(t, setup{})
				u := l.user("alice", over)
				relayed := u.allocate()
				u.bind(0x4000, peerA)
				for range 2 { // a datagram that comes twice is two
					u.b.out = nil
					u.raw(test.p)
					if test.drop != "" {
						if len(u.b.out) != 0 {
							t.Errorf("relayed %v", u.b.out)
						}
						u.b.drops(map[string]uint64{test.drop: 1})
						continue
					}
					u.b.drops(nil)
					if len(u.b.out) != 1 {
						t.Fatalf("%d packets to peers, want 1", len(u.b.out))
					}
					if got := u.b.out[0]; got.from != relayed || got.to != peerA || string(got.body) != test.want || got.df != test.df {
						t.Errorf("got %+v, want %q from %v to %v", got, test.want, relayed, peerA)
					}
				}
				if test.drop == "" {
					if got := u.b.Counters().ToPeers; got != (Flow{2, 2 * uint64(len(test.want))}) {
						t.Errorf("counted %+v", got)
					}
				}
			})
		}
	}
	l := newLab(t, setup{change: func(c *Config) { c.DontFragment = false }})
	u := l.user("alice", UDP)
	u.allocate()
	u.permit(peerA)
	u.raw(send(peer(peerA), df, data('h')))
	if len(u.b.out) != 0 {
		t.Error("Send with DONT-FRAGMENT where DF cannot be set is relayed")
	}
}

// RFC 8656 sections 11.3 and 12.7: from the peer to the client.
func TestFromThePeerToTheClient(t *testing.T) {
	for _, over := range []Transport{UDP, TCP, TLS, DTLS} {
		t.Run(over.String(), func(t *testing.T) {
			l := newLab(t, setup{})
			u := l.user("alice", over)
			m := u.must(stun.MethodAllocate, transport(protocolUDP), additional(IPv6))
			r4 := u.b.relayAt(addrIn(t, m, stun.AttrXORRelayedAddress))
			r6 := u.b.relayAt(netip.AddrPortFrom(relay6, r4.Relayed().Port()+1))
			u.bind(0x4000, peerA)
			u.permit(peerB, peer6)
			for size := range 9 {
				body := bytes.Repeat([]byte{'x'}, size)
				u.b.sent = nil
				u.b.FromPeer(l.now, r4, peerA, body)
				want := append([]byte{0x40, 0, 0, byte(size)}, body...)
				if over.Stream() {
					want = append(want, make([]byte, padded(size)-size)...)
				}
				if len(u.b.sent) != 1 || !bytes.Equal(u.b.sent[0].packet, want) || u.b.sent[0].to != u.client {
					t.Errorf("ChannelData of %d bytes: got %+v, want %x", size, u.b.sent, want)
				}
				for _, from := range []netip.AddrPort{peerB, peer6} {
					u.b.sent = nil
					relay := r4
					if from == peer6 {
						relay = r6
					}
					u.b.FromPeer(l.now, relay, from, body)
					if len(u.b.sent) != 1 {
						t.Fatalf("Data of %d bytes from %v: %d packets, want 1", size, from, len(u.b.sent))
					}
					m := decode(t, u.b.sent[0].packet)
					if m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) || len(m.Attributes) != 2 {
						t.Errorf("got %v", m)
					}
					if got := addrIn(t, m, stun.AttrXORPeerAddress); got != from {
						t.Errorf("got %v, want %v", got, from)
					}
					if got, err := m.Get(stun.AttrData); err != nil || !bytes.Equal(got, body) {
						t.Errorf("got %x, want %x", got, body)
					}
				}
			}
			u.b.drops(nil)
			if got := u.b.Counters().FromPeers; got != (Flow{27, 3 * 36}) {
				t.Errorf("counted %+v, want 27 packets of 108 bytes", got)
			}
			u.b.sent = nil
			u.b.FromPeer(l.now, r4, netip.AddrPortFrom(netip.AddrFrom16(peerA.Addr().As16()), peerA.Port()), []byte("mapped"))
			if len(u.b.sent) != 1 || u.b.sent[0].packet[0] != 0x40 {
				t.Error("a peer that the socket calls IPv4-mapped is not recognised")
			}
			u.b.sent = nil
			u.b.FromPeer(l.now, r4, netip.MustParseAddrPort("1.1.1.1:1"), []byte("who"))
			u.b.FromPeer(l.now, r4, netip.AddrPortFrom(relay4, 7), []byte("own"))
			u.permit(netip.AddrPortFrom(relay4, 7))
			u.b.sent = nil
			u.b.FromPeer(l.now, r4, netip.AddrPortFrom(relay4, 7), []byte("own"))
			u.b.FromPeer(l.now, r4, peerB, make([]byte, 65507+1000))
			u.b.Gone(u.client)
			u.b.FromPeer(l.now, r4, peerA, []byte("late"))
			u.b.drops(map[string]uint64{"peer-no-permission": 2, "from-own-address": 1, "too-long": 1, "closed": 1})
			if len(u.b.sent) != 0 {
				t.Errorf("%d packets to the client, want none", len(u.b.sent))
			}
			l.idle()
		})
	}
}

// A payload of the largest size that UDP has fits into every form.
func TestTheLargestPayload(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", TCP)
	r := u.b.relayAt(u.allocate(family(IPv6)))
	u.permit(peer6)
	u.b.sent = nil
	body := bytes.Repeat([]byte("x"), maxData)
	u.b.FromPeer(l.now, r, peer6, body)
	u.b.FromPeer(l.now, r, peer6, append(body, 'x'))
	u.b.drops(map[string]uint64{"too-long": 1})
	if len(u.b.sent) != 1 {
		t.Fatalf("got %d packets, want 1", len(u.b.sent))
	}
	m := decode(t, u.b.sent[0].packet)
	if got, _ := m.Get(stun.AttrData); !bytes.Equal(got, body) {
		t.Errorf("got %d bytes, want %d", len(got), len(body))
	}
	var s Stream
	if n, err := s.Next(u.b.sent[0].packet); n != len(u.b.sent[0].packet) || err != nil {
		t.Errorf("the stream cuts it to %d, %v", n, err)
	}
	u.bind(0x4000, peer6)
	u.b.sent = nil
	u.b.FromPeer(l.now, r, peer6, make([]byte, 65535))
	if len(u.b.sent) != 1 || len(u.b.sent[0].packet) != 4+65536 {
		t.Error("ChannelData does not carry 65535 bytes")
	}
}

func TestWhatDoesNotFitIntoADatagram(t *testing.T) {
	for over, most := range map[Transport]int{UDP: 65507 - 4, DTLS: 16384 - 4} {
		l := newLab(t, setup{})
		u := l.user("alice", over)
		r := u.b.relayAt(u.allocate())
		u.bind(0x4000, peerA)
		u.b.sent = nil
		u.b.FromPeer(l.now, r, peerA, make([]byte, most))
		u.b.FromPeer(l.now, r, peerA, make([]byte, most+1))
		u.b.drops(map[string]uint64{"too-long": 1})
		if len(u.b.sent) != 1 {
			t.Errorf("%v: %d packets, want 1", over, len(u.b.sent))
		}
	}
}

// The packet path allocates nothing.
func TestThePacketPathAllocatesNothing(t *testing.T) {
	l := newLab(t, setup{change: func(c *Config) { c.Bits = 1 << 50; c.Sink = discard{}; c.Ports = discard{} }, limits: Limits{Bits: 1 << 50}})
	e := l.engines[0]
	c := Client{Addr: netip.MustParseAddrPort("203.0.113.5:1"), Transport: UDP}
	r := &Relay{family: IPv4, port: discard{}, relayed: netip.AddrPortFrom(relay4, 1), expires: l.now.Add(maxLifetime)}
	a := &allocation{client: c, key: c.tuple(), ends: l.now.Add(maxLifetime), relays: [2]*Relay{r}, index: -1}
	r.alloc = a
	e.allocations[a.key] = a
	e.plan(a)
	bound, other := peerA, peerB
	a.channels, a.bound = map[uint16]*channel{}, map[peerKey]*channel{}
	ch := &channel{number: 0x4000, peer: bound, expires: l.now.Add(channelLife), permission: e.permit(a, bound.Addr(), policyAllowed, l.now)}
	a.channels[ch.number], a.bound[keyOf(bound)] = ch, ch
	e.permit(a, other.Addr(), policyAllowed, l.now)
	body := make([]byte, 1000)
	channelData := append([]byte{0x40, 0, 0x03, 0xe8}, body...)
	send := build(stun.MethodSend, stun.ClassIndication, peer(other), attr(stun.AttrData, body...))
	for name, f := range map[string]func(){
		"ChannelData to a peer":     func() { e.FromClient(l.now, c, channelData) },
		"ChannelData from a peer":   func() { e.FromPeer(l.now, r, bound, body) },
		"Send":                      func() { e.FromClient(l.now, c, send) },
		"Data":                      func() { e.FromPeer(l.now, r, other, body) },
		"a packet without a permit": func() { e.FromPeer(l.now, r, netip.MustParseAddrPort("1.1.1.1:1"), body) },
		"garbage":                   func() { e.FromClient(l.now, c, body) },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations a packet, want 0", name, n)
		}
	}
	if got := e.Counters(); got.ToPeers.Packets < 2000 || got.FromPeers.Packets < 2000 {
		t.Errorf("the packets went nowhere: %+v", got)
	}
}
