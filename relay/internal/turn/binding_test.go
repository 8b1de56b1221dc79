package turn

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func staticUser(name, password string) func(string, time.Time) Account {
	return func(username string, _ time.Time) Account {
		if username == name {
			return Account{User: name, Passwords: []string{password}}
		}
		return Account{}
	}
}

// RFC 8489 section 6.3.1.
func TestBinding(t *testing.T) {
	client6 := netip.MustParseAddrPort("[2a00:1::5]:4000")
	tests := map[string]struct {
		client  netip.AddrPort
		setters []stun.Setter
		size    int
	}{
		"XOR-MAPPED-ADDRESS says the source address, in 32 bytes": {size: 32},
		"in 44 bytes for IPv6":                                {client: client6, size: 44},
		"FINGERPRINT comes if it was asked for":               {setters: []stun.Setter{stun.Fingerprint}, size: 40},
		"and makes 52 bytes for IPv6":                         {client: client6, setters: []stun.Setter{stun.Fingerprint}, size: 52},
		"comprehension-optional attributes are ignored":       {setters: []stun.Setter{attr(0x8022, 'x'), attr(0xC123)}, size: 32},
		"a Binding request need not be signed, and may be":    {setters: []stun.Setter{stun.NewUsername("who"), stun.NewShortTermIntegrity("x")}, size: 32},
		"the old number of XOR-MAPPED-ADDRESS is optional":    {setters: []stun.Setter{attr(0x8020, 0, 1, 0, 0, 0, 0, 0, 0)}, size: 32},
		"what follows MESSAGE-INTEGRITY is ignored":           {setters: []stun.Setter{stun.NewShortTermIntegrity("x"), attr(0x7777)}, size: 32},
		"attributes may be there twice, the first one counts": {setters: []stun.Setter{stun.NewSoftware("a"), stun.NewSoftware("b")}, size: 32},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{})
			u := l.user("", UDP)
			if test.client.IsValid() {
				u.client.Addr = test.client
			}
			p := build(stun.MethodBinding, stun.ClassRequest, test.setters...)
			for range 2 {
				m := u.answer(p)
				if codeOf(m) != 0 {
					t.Fatalf("got %d, want success", codeOf(m))
				}
				if got := addrIn(t, m, stun.AttrXORMappedAddress); got != u.client.Addr {
					t.Errorf("got %v, want %v", got, u.client.Addr)
				}
				if len(m.Raw) != test.size {
					t.Errorf("the answer has %d bytes, want %d", len(m.Raw), test.size)
				}
				if !fingerprinted(m.Raw) {
					t.Error("FINGERPRINT is wrong")
				}
			}
		})
	}
}

// RFC 8489 section 6.3.1: unknown comprehension-required attributes.
func TestUnknownAttributesAreNamed(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	p := build(stun.MethodBinding, stun.ClassRequest, attr(0x0024, 1, 2, 3, 4), attr(0x7777), attr(0x8888))
	for range 2 {
		m := u.answer(p)
		if codeOf(m) != 420 {
			t.Fatalf("got %d, want 420", codeOf(m))
		}
		if got, _ := m.Get(stun.AttrUnknownAttributes); !bytes.Equal(got, []byte{0, 0x24, 0x77, 0x77}) {
			t.Errorf("UNKNOWN-ATTRIBUTES is %x, want 00247777", got)
		}
	}
	u.allocate()
	for _, method := range []stun.Method{stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind, stun.MethodConnect} {
		if m := u.request(method, attr(0x7777)); codeOf(m) != 420 {
			t.Errorf("%v: %d, want 420", method, codeOf(m))
		}
	}
	if m := u.request(stun.MethodAllocate, attr(0x7777)); codeOf(m) != 420 {
		t.Errorf("Allocate: %d, want 420", codeOf(m))
	}
}

// RFC 8489 section 6.3 and 14.7: what is dropped without an answer, and how that is counted.
func TestWhatIsNotAnswered(t *testing.T) {
	binding := build(stun.MethodBinding, stun.ClassRequest)
	fingerprinted := build(stun.MethodBinding, stun.ClassRequest, stun.Fingerprint)
	changed := func(p []byte, at int, b byte) []byte {
		p = bytes.Clone(p)
		p[at] = b
		return p
	}
	tests := map[string]struct {
		p    []byte
		drop string
	}{
		"nothing":                                      {nil, "empty"},
		"DTLS":                                         {[]byte{22, 254, 253}, "first-byte"},
		"a first byte between STUN and DTLS":           {[]byte{4, 0, 0, 0}, "first-byte"},
		"a first byte above ChannelData":               {[]byte{80, 0, 0, 0}, "first-byte"},
		"RTP":                                          {[]byte{128, 0, 0, 0}, "first-byte"},
		"less than a header":                           {binding[:19], "malformed"},
		"another magic cookie":                         {changed(binding, 4, 0x22), "malformed"},
		"a Length that is not a multiple of 4":         {append(changed(binding, 3, 2), 0, 0), "malformed"},
		"a Length beyond the datagram":                 {changed(binding, 3, 4), "malformed"},
		"a datagram beyond the Length":                 {append(bytes.Clone(binding), 0, 0, 0, 0), "malformed"},
		"an attribute beyond the message":              {append(changed(binding, 3, 4), 0x80, 0x22, 0, 1), "malformed"},
		"an attribute of 0xFFEC bytes":                 {append(changed(binding, 3, 4), 0x80, 0x22, 0xff, 0xec), "malformed"},
		"a wrong FINGERPRINT":                          {changed(fingerprinted, 27, fingerprinted[27]^1), "fingerprint"},
		"FINGERPRINT that is not the last":             {build(stun.MethodBinding, stun.ClassRequest, stun.Fingerprint, stun.NewSoftware("x")), "fingerprint"},
		"FINGERPRINT of another size":                  {build(stun.MethodBinding, stun.ClassRequest, attr(stun.AttrFingerprint, 1, 2, 3)), "fingerprint"},
		"an unknown method":                            {build(0x0ff, stun.ClassRequest), "method"},
		"a Data request":                               {build(stun.MethodData, stun.ClassRequest), "method"},
		"a Data indication":                            {build(stun.MethodData, stun.ClassIndication), "method"},
		"a success response":                           {build(stun.MethodBinding, stun.ClassSuccessResponse), "method"},
		"an error response":                            {build(stun.MethodAllocate, stun.ClassErrorResponse), "method"},
		"an Allocate indication":                       {build(stun.MethodAllocate, stun.ClassIndication), "method"},
		"a Send indication without an allocation":      {build(stun.MethodSend, stun.ClassIndication), "no-allocation"},
		"ChannelData without an allocation":            {[]byte{0x40, 0, 0, 0}, "no-allocation"},
		"ChannelData that is longer than its datagram": {[]byte{0x40, 0, 0, 1}, "malformed"},
		"ChannelData of three bytes":                   {[]byte{0x40, 0, 0}, "malformed"},
		"a Binding indication, which is a keep-alive":  {build(stun.MethodBinding, stun.ClassIndication), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, over := range []Transport{UDP, DTLS} {
				l := newLab(t, setup{})
				u := l.user("alice", over)
				for range 2 {
					if got := u.raw(test.p); len(got) != 0 || len(u.b.sent) != 0 || u.effect.Hangup {
						t.Errorf("got %d packets, effect %+v; want silence", len(got), u.effect)
					}
				}
				if test.drop == "" {
					u.b.drops(nil)
				} else {
					u.b.drops(map[string]uint64{test.drop: 2})
				}
				l.idle()
			}
		})
	}
}

// A stream on which anything but a message comes cannot be understood any more.
func TestGarbageHangsUpStreams(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", TCP)
	for _, p := range [][]byte{{22, 3, 1}, []byte("POST / HTTP/1.1\r\n"), make([]byte, 20), {0, 1, 0, 0}} {
		u.raw(p)
		if !u.effect.Hangup {
			t.Errorf("%q: got %+v, want a hangup", p, u.effect)
		}
	}
	u.raw(build(stun.MethodBinding, stun.ClassRequest))
	if u.effect.Hangup {
		t.Error("a Binding request hangs up")
	}
}
