package turn

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// RFC 8656 section 11.5.
func TestICMP(t *testing.T) {
	tests := map[string]struct {
		f    Family
		icmp ICMP
		want []byte // ICMP, nil if it is not passed on
	}{
		"port unreachable":                     {IPv4, ICMP{3, 3, 0}, []byte{0, 0, 6, 3, 0, 0, 0, 0}},
		"fragmentation needed, with the MTU":   {IPv4, ICMP{3, 4, 1400}, []byte{0, 0, 6, 4, 0, 0, 5, 0x78}},
		"time exceeded, without other data":    {IPv4, ICMP{11, 0, 77}, []byte{0, 0, 22, 0, 0, 0, 0, 0}},
		"an echo is nobody's business":         {IPv4, ICMP{0, 0, 0}, nil},
		"neither is a redirect":                {IPv4, ICMP{5, 0, 0}, nil},
		"type 1 means nothing in IPv4":         {IPv4, ICMP{1, 0, 0}, nil},
		"unreachable in IPv6":                  {IPv6, ICMP{1, 4, 0}, []byte{0, 0, 2, 4, 0, 0, 0, 0}},
		"packet too big in IPv6, with the MTU": {IPv6, ICMP{2, 0, 1280}, []byte{0, 0, 4, 0, 0, 0, 5, 0}},
		"time exceeded in IPv6":                {IPv6, ICMP{3, 0, 0}, []byte{0, 0, 6, 0, 0, 0, 0, 0}},
		"a parameter problem in IPv6 is not":   {IPv6, ICMP{4, 0, 0}, nil},
		"type 11 means nothing in IPv6":        {IPv6, ICMP{11, 0, 0}, nil},
		"an echo in IPv6 is nobody's business": {IPv6, ICMP{129, 0, 0}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{})
			u := l.user("alice", UDP)
			r := u.b.relayAt(u.allocate(family(test.f)))
			to, stranger := peerA, peerB
			if test.f == IPv6 {
				to, stranger = peer6, netip.MustParseAddrPort("[2a00::1]:1")
			}
			u.permit(to)
			u.b.sent = nil
			u.b.Unreachable(l.now, r, stranger, test.icmp)
			if len(u.b.sent) != 0 {
				t.Error("an error about a peer without permission is passed on")
			}
			u.b.Unreachable(l.now, r, to, test.icmp)
			if test.want == nil {
				u.b.drops(map[string]uint64{"icmp": 2})
				return
			}
			if len(u.b.sent) != 1 {
				t.Fatalf("got %d packets, want 1", len(u.b.sent))
			}
			m := decode(t, u.b.sent[0].packet)
			if m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) || m.Contains(stun.AttrData) {
				t.Errorf("got %v, want a Data indication without DATA", m)
			}
			if got := addrIn(t, m, stun.AttrXORPeerAddress); got != to {
				t.Errorf("got %v, want %v", got, to)
			}
			if got, _ := m.Get(attrICMP); !bytes.Equal(got, test.want) {
				t.Errorf("ICMP is %v, want %v", got, test.want)
			}
			u.b.Gone(u.client)
			u.b.Unreachable(l.now, r, to, test.icmp)
			u.b.drops(map[string]uint64{"icmp": 2})
		})
	}
}
