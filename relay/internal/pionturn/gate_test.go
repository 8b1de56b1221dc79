package pionturn

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/relay/internal/policy"
	"github.com/parley-rtc/parley/relay/internal/tally"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var client = netip.MustParseAddrPort("192.0.2.1:5000")

func TestPayloadOf(t *testing.T) {
	indication := func(setters ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodData, stun.ClassIndication)}, setters...)...).Raw
	}
	peer := stun.RawAttribute{Type: stun.AttrXORPeerAddress, Value: make([]byte, 8)}
	data := stun.RawAttribute{Type: stun.AttrData, Value: make([]byte, 5)}
	tests := map[string]struct {
		p       []byte
		size    int
		relayed bool
	}{
		"ChannelData with padding":   {[]byte{0x40, 0, 0, 1, 9, 0, 0, 0}, 1, true},
		"ChannelData of nothing":     {[]byte{0x4f, 0xff, 0, 0}, 0, true},
		"a Data indication":          {indication(peer, data), 5, true},
		"one the other way round":    {indication(data, peer), 5, true},
		"one without data":           {indication(peer), 0, true},
		"one that is cut off":        {indication(peer, data)[:31], 0, true},
		"a response":                 {stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw, 0, false},
		"a response carrying DATA":   {stun.MustBuild(stun.TransactionID, stun.BindingSuccess, data).Raw, 0, false},
		"something short":            {[]byte{0, 1, 2}, 0, false},
		"nothing":                    {nil, 0, false},
		"a header's first few bytes": {[]byte{0, 0x17, 0, 0, 0}, 0, false},
	}
	for name, test := range tests {
		if size, relayed := payloadOf(test.p); size != test.size || relayed != test.relayed {
			t.Errorf("%s: got %d, %v, want %d, %v", name, size, relayed, test.size, test.relayed)
		}
	}
}

// Whatever comes in, what goes on to the TURN server is no longer than it was, and is signed only
// if its key has been found.
func FuzzPass(f *testing.F) {
	key := stun.MessageIntegrity(turn.GenerateAuthKey("alice", "parley", "secret"))
	allocate := stun.NewType(stun.MethodAllocate, stun.ClassRequest)
	credentials := []stun.Setter{stun.NewUsername("alice"), stun.NewRealm("parley"), stun.NewNonce("nonce"), key}
	transport := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{protocolUDP, 0, 0, 0}}
	for _, setters := range [][]stun.Setter{
		{stun.BindingRequest, stun.Fingerprint},
		{allocate, transport},
		append([]stun.Setter{allocate, transport}, credentials...),
		append([]stun.Setter{allocate, transport}, append(credentials, transport, stun.Fingerprint)...),
		append([]stun.Setter{stun.NewType(stun.MethodRefresh, stun.ClassRequest)}, credentials...),
		{stun.NewType(stun.MethodSend, stun.ClassIndication), transport},
	} {
		f.Add(stun.MustBuild(append([]stun.Setter{stun.TransactionID}, setters...)...).Raw)
	}
	f.Add([]byte{0x40, 0, 0, 1, 9})
	f.Add([]byte{0x16, 0xfe})
	f.Add([]byte{})

	l := newTestListener(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		in := bytes.Clone(p)
		n := l.pass(in, client)
		if n < 0 || n > len(p) {
			t.Fatalf("pass returned %d for %d bytes", n, len(p))
		}
		if n == 0 || in[0] > 3 {
			return
		}
		var out stun.Message
		if _, err := out.Write(in[:n]); err != nil {
			t.Fatalf("what went on does not parse: %v", err)
		}
		if out.Type.Class != stun.ClassRequest || out.Type.Method == stun.MethodBinding {
			return
		}
		if out.Contains(stun.AttrMessageIntegrity) {
			if l.request.key == nil {
				t.Fatal("a signed request went on whose key is unknown")
			}
			if err := stun.MessageIntegrity(l.request.key).Check(&out); err != nil {
				t.Fatalf("the key does not fit any more: %v", err)
			}
		}
	})
}

func newTestListener(tb testing.TB) *listener {
	tb.Helper()
	rules, err := policy.New(policy.Rules{Interfaces: func() ([]netip.Addr, error) { return nil, nil }})
	if err != nil {
		tb.Fatal(err)
	}
	b := New(Settings{
		Realm:       "parley",
		PublicIP:    netip.MustParseAddr("198.51.100.7"),
		RelayBind:   netip.MustParseAddr("127.0.0.1"),
		MinPort:     49152,
		MaxPort:     65535,
		PerAccount:  1,
		Allocations: 1,
		Account: func(name string, _ time.Time) Account {
			if name != "alice" {
				return Account{}
			}
			return Account{Name: name, Passwords: []string{"old", "secret"}}
		},
		Policy: rules,
		Tally:  &tally.Tally{},
		Logger: slog.New(slog.DiscardHandler),
	})
	return newListener(b, sink{})
}

// sink takes what is written to it.
type sink struct{ net.PacketConn }

func (sink) WriteTo(p []byte, _ net.Addr) (int, error) { return len(p), nil }

func TestTheInsideQueueIsBounded(t *testing.T) {
	c := &relayConn{queue: make(chan datagram, 2)}
	for i, want := range []string{"", "", "hairpin-full"} {
		if got := c.deliver([]byte("hello"), client); got != want {
			t.Errorf("packet %d: %q, want %q", i+1, got, want)
		}
	}
	if got := c.deliver(make([]byte, maxRelayed+1), client); got != "too-long" {
		t.Errorf("a long packet: %q, want too-long", got)
	}
}
