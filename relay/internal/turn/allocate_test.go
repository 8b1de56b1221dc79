package turn

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// RFC 8656 section 7.2 and RFC 6062 section 5.1: what an Allocate request may ask for.
func TestAllocate(t *testing.T) {
	udp, tcp := transport(protocolUDP), transport(protocolTCP)
	even, pair := attr(stun.AttrEvenPort, 0), attr(stun.AttrEvenPort, 0x80)
	df := attr(stun.AttrDontFragment)
	noToken := attr(stun.AttrReservationToken, 1, 2, 3, 4, 5, 6, 7, 8)
	type setters = []stun.Setter
	tests := map[string]struct {
		setters setters
		over    Transport // default UDP
		change  func(*Config)
		code    int
		relayed string // families, in order
	}{
		"UDP": {setters{udp}, 0, nil, 0, "4"},
		"no REQUESTED-ADDRESS-FAMILY means IPv4, over IPv6 too": {setters{udp}, 0, nil, 0, "4"},
		"IPv4 asked for": {setters{udp, family(IPv4)}, 0, nil, 0, "4"},
		"IPv6 asked for": {setters{udp, family(IPv6)}, 0, nil, 0, "6"},
		"both at once":   {setters{udp, additional(IPv6)}, 0, nil, 0, "46"},
		"both at once, by the number that coturn's client has": {setters{udp, attr(attrAdditionalAddressFamilyDraft, 2, 0, 0, 0)}, 0, nil, 0, "46"},
		"EVEN-PORT":                    {setters{udp, even}, 0, nil, 0, "4"},
		"EVEN-PORT with a reservation": {setters{udp, pair}, 0, nil, 0, "4"},
		"EVEN-PORT with both families, without a reservation": {setters{udp, even, additional(IPv6)}, 0, nil, 0, "46"},
		"EVEN-PORT with IPv6":                              {setters{udp, pair, family(IPv6)}, 0, nil, 0, "6"},
		"DONT-FRAGMENT":                                    {setters{udp, df}, 0, nil, 0, "4"},
		"TCP over TCP":                                     {setters{tcp}, TCP, nil, 0, "4"},
		"TCP over TLS, IPv6":                               {setters{tcp, family(IPv6)}, TLS, nil, 0, "6"},
		"UDP over TCP":                                     {setters{udp}, TCP, nil, 0, "4"},
		"UDP over TLS":                                     {setters{udp}, TLS, nil, 0, "4"},
		"UDP over DTLS":                                    {setters{udp}, DTLS, nil, 0, "4"},
		"REQUESTED-TRANSPORT is missing":                   {nil, 0, nil, 400, ""},
		"REQUESTED-TRANSPORT is malformed":                 {setters{attr(stun.AttrRequestedTransport, 17)}, 0, nil, 400, ""},
		"REQUESTED-TRANSPORT is neither UDP nor TCP":       {setters{transport(132)}, 0, nil, 442, ""},
		"TCP relaying is off":                              {setters{tcp}, TCP, func(c *Config) { c.TCP = false }, 442, ""},
		"a TCP allocation over UDP":                        {setters{tcp}, UDP, nil, 400, ""},
		"a TCP allocation over DTLS":                       {setters{tcp}, DTLS, nil, 400, ""},
		"a TCP allocation with EVEN-PORT":                  {setters{tcp, even}, TCP, nil, 400, ""},
		"a TCP allocation with RESERVATION-TOKEN":          {setters{tcp, noToken}, TCP, nil, 400, ""},
		"a TCP allocation with DONT-FRAGMENT":              {setters{tcp, df}, TCP, nil, 400, ""},
		"DONT-FRAGMENT where DF cannot be set":             {setters{udp, df}, 0, func(c *Config) { c.DontFragment = false }, 420, ""},
		"RESERVATION-TOKEN with EVEN-PORT":                 {setters{udp, noToken, even}, 0, nil, 400, ""},
		"RESERVATION-TOKEN with REQUESTED-ADDRESS-FAMILY":  {setters{udp, noToken, family(IPv4)}, 0, nil, 400, ""},
		"RESERVATION-TOKEN with ADDITIONAL-ADDRESS-FAMILY": {setters{udp, noToken, additional(IPv6)}, 0, nil, 400, ""},
		"RESERVATION-TOKEN of another size":                {setters{udp, attr(stun.AttrReservationToken, 1)}, 0, nil, 400, ""},
		"RESERVATION-TOKEN of nobody":                      {setters{udp, noToken}, 0, nil, 508, ""},
		"both family attributes":                           {setters{udp, family(IPv4), additional(IPv6)}, 0, nil, 400, ""},
		"ADDITIONAL-ADDRESS-FAMILY with IPv4":              {setters{udp, additional(IPv4)}, 0, nil, 400, ""},
		"ADDITIONAL-ADDRESS-FAMILY with EVEN-PORT's R bit": {setters{udp, additional(IPv6), pair}, 0, nil, 400, ""},
		"REQUESTED-ADDRESS-FAMILY is malformed":            {setters{udp, attr(stun.AttrRequestedAddressFamily, 1)}, 0, nil, 400, ""},
		"ADDITIONAL-ADDRESS-FAMILY is malformed":           {setters{udp, attr(attrAdditionalAddressFamily, 2)}, 0, nil, 400, ""},
		"EVEN-PORT is malformed":                           {setters{udp, attr(stun.AttrEvenPort)}, 0, nil, 400, ""},
		"LIFETIME is malformed":                            {setters{udp, attr(stun.AttrLifetime, 1)}, 0, nil, 400, ""},
		"an address family of no number":                   {setters{udp, family(3)}, 0, nil, 440, ""},
		"address family 0":                                 {setters{udp, family(0)}, 0, nil, 440, ""},
		"IPv6 where there is none":                         {setters{udp, family(IPv6)}, 0, func(c *Config) { c.NoIPv6 = true }, 440, ""},
		"IPv4 where there is none":                         {setters{udp}, 0, func(c *Config) { c.NoIPv4 = true }, 440, ""},
		"no family asked for, with KeepFamily, over IPv4":  {setters{udp}, 0, func(c *Config) { c.KeepFamily = true }, 0, "4"},
		"half of both, as the other is not relayed":        {setters{udp, additional(IPv6)}, 0, func(c *Config) { c.NoIPv4 = true }, 0, "6"},
		"the other half":                                   {setters{udp, additional(IPv6)}, 0, func(c *Config) { c.NoIPv6 = true }, 0, "4"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{change: test.change})
			if test.over == 0 {
				test.over = UDP
			}
			u := l.user("alice", test.over)
			if name == "no REQUESTED-ADDRESS-FAMILY means IPv4, over IPv6 too" {
				u.client.Addr = netip.MustParseAddrPort("[2a00:1::5]:4000")
			}
			m := u.request(stun.MethodAllocate, test.setters...)
			if got := codeOf(m); got != test.code {
				t.Fatalf("got %d, want %d", got, test.code)
			}
			if test.code != 0 {
				l.idle()
				return
			}
			relayed := ""
			for _, a := range m.Attributes {
				if a.Type == stun.AttrXORRelayedAddress {
					addr, _ := xored(m.Raw, a.Value)
					relayed += map[Family]string{IPv4: "4", IPv6: "6"}[familyOf(addr.Addr())]
					u.b.relayAt(addr)
					if e, _ := find(m.Raw, stun.AttrEvenPort); e == 0 && addr.Port()&1 == 1 {
						t.Errorf("%v is odd", addr)
					}
				}
			}
			if relayed != test.relayed {
				t.Errorf("families relayed are %q, want %q", relayed, test.relayed)
			}
			if got := addrIn(t, m, stun.AttrXORMappedAddress); got != u.client.Addr {
				t.Errorf("mapped address is %v, want %v", got, u.client.Addr)
			}
			if got := lifetimeIn(t, m); got != 600 {
				t.Errorf("lifetime is %d, want 600", got)
			}
			if len(u.b.open) != len(relayed)+len(u.b.reserved) {
				t.Errorf("%d sockets are open", len(u.b.open))
			}
			u.b.Gone(u.client)
			l.pass(reservationLife)
			l.idle()
		})
	}
}

func TestKeepFamilyGivesIPv6ClientsIPv6(t *testing.T) {
	l := newLab(t, setup{change: func(c *Config) { c.KeepFamily = true }})
	u := l.user("alice", UDP)
	u.client.Addr = netip.MustParseAddrPort("[2a00:1::5]:4000")
	if got := u.allocate(); got.Addr() != relay6 {
		t.Errorf("got %v, want an address in IPv6", got)
	}
}

// RFC 8656 section 7.2: half of a dual allocation comes with ADDRESS-ERROR-CODE.
func TestHalfOfADualAllocation(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		fail   map[Family]error
		want   []byte // ADDRESS-ERROR-CODE
		code   int
	}{
		"both":                          {nil, nil, nil, 0},
		"no port in IPv6":               {nil, map[Family]error{IPv6: ErrPorts}, []byte{2, 0, 5, 8}, 0},
		"no port in IPv4":               {nil, map[Family]error{IPv4: ErrPorts}, []byte{1, 0, 5, 8}, 0},
		"no IPv6 here":                  {func(c *Config) { c.NoIPv6 = true }, nil, []byte{2, 0, 4, 40}, 0},
		"no port at all":                {nil, map[Family]error{IPv4: ErrPorts, IPv6: ErrPorts}, nil, 508},
		"no IPv6 here, no port in IPv4": {func(c *Config) { c.NoIPv6 = true }, map[Family]error{IPv4: ErrPorts}, nil, 508},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{change: test.change})
			u := l.user("alice", UDP)
			for f, err := range test.fail {
				u.b.fail[f] = err
			}
			m := u.request(stun.MethodAllocate, transport(protocolUDP), additional(IPv6))
			if codeOf(m) != test.code {
				t.Fatalf("got %d, want %d", codeOf(m), test.code)
			}
			if got, _ := m.Get(attrAddressErrorCode); !bytes.Equal(got, test.want) {
				t.Errorf("ADDRESS-ERROR-CODE is %v, want %v", got, test.want)
			}
			u.b.Gone(u.client)
			l.idle()
			m = u.request(stun.MethodAllocate, transport(protocolUDP), attr(attrAdditionalAddressFamilyDraft, 2, 0, 0, 0))
			if got, _ := m.Get(attrAddressErrorCodeDraft); codeOf(m) != test.code || !bytes.Equal(got, test.want) {
				t.Errorf("by its number in the drafts: %d with %v, want %d with %v", codeOf(m), got, test.code, test.want)
			}
		})
	}
}

// RFC 8656 section 7.2: a repeated Allocate gets the same answer, any other 437.
func TestSecondAllocateOnAFiveTuple(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	u.challenge()
	p := u.sign(stun.MethodAllocate, transport(protocolUDP), attr(stun.AttrEvenPort, 0x80))
	first := bytes.Clone(u.signed(p).Raw)
	if again := u.signed(p); !bytes.Equal(again.Raw, first) {
		t.Errorf("repeated: %x, want %x", again.Raw, first)
	}
	l.pass(time.Second)
	if again := u.signed(p); lifetimeIn(t, again) != 599 || addrIn(t, again, stun.AttrXORRelayedAddress) != addrIn(t, decode(t, first), stun.AttrXORRelayedAddress) {
		t.Errorf("repeated a second later: %v", again)
	}
	if got := codeOf(u.request(stun.MethodAllocate, transport(protocolUDP))); got != 437 {
		t.Errorf("with another transaction: %d, want 437", got)
	}
	// The same transaction id, but from a client that did not make the allocation.
	v := l.user("bob", UDP)
	v.client = u.client
	v.challenge()
	q := v.sign(stun.MethodAllocate, transport(protocolUDP))
	copy(q[8:20], p[8:20])
	m := &stun.Message{Raw: q}
	_ = m.Decode()
	end, _ := find(q, stun.AttrMessageIntegrity)
	m.Raw, m.Length = q[:end], uint32(end-headerSize)
	v.how.addTo(m, algorithmMD5.key("bob", "parley", "secret"))
	if got := codeOf(v.signed(m.Raw)); got != 437 {
		t.Errorf("the same transaction id by another user: %d, want 437", got)
	}
	if got := u.b.Len(); got != 1 {
		t.Errorf("%d allocations, want 1", got)
	}
}

// RFC 8656 section 7.2: EVEN-PORT reserves the next port, RESERVATION-TOKEN claims it.
func TestReservations(t *testing.T) {
	l := newLab(t, setup{engines: 2})
	u := l.user("alice", UDP)
	m := u.must(stun.MethodAllocate, transport(protocolUDP), attr(stun.AttrEvenPort, 0x80))
	first := addrIn(t, m, stun.AttrXORRelayedAddress)
	value, err := m.Get(stun.AttrReservationToken)
	if err != nil || len(value) != 8 {
		t.Fatalf("the answer has no RESERVATION-TOKEN: %v", m)
	}
	token := attr(stun.AttrReservationToken, bytes.Clone(value)...)
	if got := l.shared.quota.users["alice"]; got != 2 {
		t.Errorf("alice has %d of her quota, want 2: the port that is kept counts", got)
	}
	l.pass(29 * time.Second)
	v := l.user("bob", TCP) // from any five-tuple, any user that was told, and any engine
	v.b = l.engines[1]
	m = v.must(stun.MethodAllocate, transport(protocolUDP), token)
	second := addrIn(t, m, stun.AttrXORRelayedAddress)
	if first.Port()%2 != 0 || second != netip.AddrPortFrom(first.Addr(), first.Port()+1) {
		t.Errorf("got %v and %v, want an even port and the next", first, second)
	}
	if m.Contains(stun.AttrReservationToken) {
		t.Error("the second allocation has a token as well")
	}
	if got := codeOf(l.user("bob", UDP).request(stun.MethodAllocate, transport(protocolUDP), token)); got != 508 {
		t.Errorf("a token used twice: %d, want 508", got)
	}
	m = l.user("bob", UDP).must(stun.MethodAllocate, transport(protocolUDP), attr(stun.AttrEvenPort, 0x80))
	value, _ = m.Get(stun.AttrReservationToken)
	token = attr(stun.AttrReservationToken, bytes.Clone(value)...)
	l.pass(30 * time.Second)
	if got := codeOf(l.user("bob", UDP).request(stun.MethodAllocate, transport(protocolUDP), token)); got != 508 {
		t.Errorf("a token after 30 s: %d, want 508", got)
	}
	for _, b := range l.engines {
		b.Close()
	}
	l.idle()
}
