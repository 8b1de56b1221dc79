package turn

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// RFC 8489 section 10 and RFC 8656 section 7.2: while the relay drains, new allocations are sent to an
// alternate of the same family, or refused; live ones go on.
func TestDraining(t *testing.T) {
	other4, other6 := netip.MustParseAddrPort("198.51.100.9:3478"), netip.MustParseAddrPort("[2001:db8::9]:3478")
	tests := map[string]struct {
		over      Transport
		client    string
		alternate netip.AddrPort
		domain    string
		want      int
		value     []byte // ALTERNATE-SERVER
		named     bool   // ALTERNATE-DOMAIN
	}{
		"without an alternate: 508":             {UDP, "203.0.113.5:1", netip.AddrPort{}, "", 508, nil, false},
		"with an alternate: 300":                {UDP, "203.0.113.5:1", other4, "turn.example.org", 300, []byte{0, 1, 0x0d, 0x96, 198, 51, 100, 9}, false},
		"an alternate in IPv6":                  {TCP, "[2a00:1::5]:1", other6, "", 300, append([]byte{0, 2, 0x0d, 0x96}, other6.Addr().AsSlice()...), false},
		"an alternate of another family: 508":   {UDP, "[2a00:1::5]:1", other4, "", 508, nil, false},
		"over TLS with the alternate's domain":  {TLS, "203.0.113.5:1", other4, "turn.example.org", 300, []byte{0, 1, 0x0d, 0x96, 198, 51, 100, 9}, true},
		"over TLS, if it has one":               {TLS, "203.0.113.5:1", other4, "", 300, []byte{0, 1, 0x0d, 0x96, 198, 51, 100, 9}, false},
		"over DTLS with the alternate's domain": {DTLS, "203.0.113.5:1", other4, "turn.example.org", 300, []byte{0, 1, 0x0d, 0x96, 198, 51, 100, 9}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{change: func(c *Config) {
				c.Alternate = func(Client) (netip.AddrPort, string, bool) {
					return test.alternate, test.domain, test.alternate.IsValid()
				}
			}})
			live := l.user("bob", test.over)
			live.challenge()
			allocate := live.sign(stun.MethodAllocate, transport(protocolUDP))
			live.signed(allocate)
			l.shared.Drain(true)
			if got := codeOf(live.signed(allocate)); got != 0 {
				t.Errorf("an Allocate repeated: %d, want success", got)
			}
			live.must(stun.MethodRefresh)
			live.permit(peerA)
			u := l.user("alice", test.over)
			u.client.Addr = netip.MustParseAddrPort(test.client)
			if m := u.answer(build(stun.MethodAllocate, stun.ClassRequest, transport(protocolUDP))); codeOf(m) != 401 {
				t.Errorf("not signed: %d, want 401: only who is known is sent elsewhere", codeOf(m))
			}
			if m := u.request(stun.MethodAllocate, transport(99)); codeOf(m) != 442 {
				t.Errorf("what is wrong comes first: %d, want 442", codeOf(m))
			}
			m := u.request(stun.MethodAllocate, transport(protocolUDP))
			if codeOf(m) != test.want {
				t.Fatalf("got %d, want %d", codeOf(m), test.want)
			}
			if got, _ := m.Get(stun.AttrAlternateServer); !bytes.Equal(got, test.value) {
				t.Errorf("ALTERNATE-SERVER is %v, want %v", got, test.value)
			}
			if got, err := m.Get(stun.AttrAlternateDomain); (err == nil) != test.named || test.named && string(got) != test.domain {
				t.Errorf("ALTERNATE-DOMAIN is %q", got)
			}
			if got := u.b.counters.Refusals()["draining"]; got != 2 {
				t.Errorf("%d refusals as draining, want 2", got)
			}
			l.shared.Drain(false)
			u.allocate()
		})
	}
}

func TestNewReportsEveryFaultAtOnce(t *testing.T) {
	_, err := New(Config{
		NoIPv4: true, NoIPv6: true, Realm: strings.Repeat("r", 128), MaxSession: -1, Permissions: -1,
		Channels: -1, Connections: -1, NewPeers: -1, NewPeersPerSec: -1, AnswersPerSource: -1, Answers: -1, Bits: -1,
	})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		"Shared", "Ports", "Sink", "Policy", "Account", "neither IPv4 nor IPv6", "Realm is 128", "MaxSession", "Permissions",
		"Channels", "Connections", "NewPeers ", "NewPeersPerSec", "AnswersPerSource", "Answers ", "Bits",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %q", err, want)
		}
	}
}

func TestEveryCounterHasAName(t *testing.T) {
	seen := map[string]bool{}
	for r := range refusals {
		seen[r.String()] = true
	}
	for d := range drops {
		seen["drop "+d.String()] = true
	}
	if len(seen) != int(refusals)+int(drops) || seen[""] || seen["drop "] {
		t.Errorf("%d different names, want %d: %v", len(seen), int(refusals)+int(drops), seen)
	}
}

// What is told about allocations when they begin, live and end.
func TestInfo(t *testing.T) {
	var began []Info
	l := newLab(t, setup{change: func(c *Config) { c.Began = func(i Info) { began = append(began, i) } }})
	u := l.user("alice", TLS)
	u.challenge()
	m := u.must(stun.MethodAllocate, transport(protocolUDP), additional(IPv6))
	at := addrIn(t, m, stun.AttrXORRelayedAddress)
	u.bind(0x4000, peerA)
	u.raw([]byte{0x40, 0, 0, 3, 1, 2, 3, 0})
	u.b.FromPeer(l.now, u.b.relayAt(at), peerA, []byte{1})
	var live []Info
	u.b.Allocations(func(i Info) { live = append(live, i) })
	if len(began) != 1 || len(live) != 1 {
		t.Fatalf("told of %d begun and %d live, want one of each", len(began), len(live))
	}
	got := live[0]
	if got.Client != u.client || got.User != "alice" || got.Username != "alice" || got.Relayed[0] != at || got.Relayed[1].Addr() != relay6 ||
		got.TCP || !got.Began.Equal(l.now) || !got.Expires.Equal(l.now.Add(600*time.Second)) || got.ToPeers != (Flow{1, 3}) || got.FromPeers != (Flow{1, 1}) {
		t.Errorf("got %+v", got)
	}
	l.pass(600 * time.Second)
	if len(u.b.infos) != 1 || u.b.infos[0].ToPeers != (Flow{1, 3}) || u.b.infos[0].Relayed != got.Relayed {
		t.Errorf("at the end: %+v", u.b.infos)
	}
	if u.b.Has(u.client) {
		t.Error("the client still has an allocation")
	}
}
