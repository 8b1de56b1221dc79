package doctor

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/internal/wire"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestAddressesInAReportAreShortened(t *testing.T) {
	for text, want := range map[string]string{
		"seen as 203.0.113.9:40732":               "seen as 203.0.x.x:40732",
		"turn:198.51.100.7:3478?transport=udp":    "turn:198.51.x.x:3478?transport=udp",
		"at [2001:db8:17::9]:443":                 "at [2001:db8:x]:443",
		"from 2001:db8:1:2:3:4:5:6 on":            "from 2001:db8:x on",
		"fe80::1%eth0 and ::1":                    "fe80::x and ::x",
		"at 12:30:59, relay.example:3478":         "at 12:30:59, relay.example:3478",
		"version 1.2.3 and 1.2":                   "version 1.2.3 and 1.2",
		"until 2026-11-22, http://parley.example": "until 2026-11-22, http://parley.example",
	} {
		if got := shortened(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestNoSecretIsInARow(t *testing.T) {
	var s secrets
	s.keep(wire.JoinReply{Session: "s3ssion", Secret: "s3cret", ICEServers: []wire.ICEServer{{Username: "17:user", Credential: "pass"}, {}}})
	row := s.scrub(Row{ID: "x s3ssion", Found: "found s3cret", Cause: "of 17:user", Cure: "say pass"})
	if want := (Row{ID: "x …", Found: "found …", Cause: "of …", Cure: "say …"}); row != want {
		t.Errorf("the row is %+v, want %+v", row, want)
	}
}

func TestWhatANATIsCalled(t *testing.T) {
	at := netip.MustParseAddrPort
	for name, c := range map[string]struct {
		seen []mapping
		own  string
		want mapped
		text string
	}{
		"none":             {[]mapping{{at("198.51.100.7:3478"), at("192.0.2.1:5000")}}, "192.0.2.1:5000", mapNone, "none: "},
		"seen once":        {[]mapping{{at("198.51.100.7:3478"), at("203.0.113.9:5000")}}, "192.168.1.2:5000", mapUnknown, "could not be seen (why)"},
		"the same twice":   {[]mapping{{at("198.51.100.7:3478"), at("203.0.113.9:5000")}, {at("198.51.100.7:50000"), at("203.0.113.9:5000")}}, "192.168.1.2:5000", mapIndependent, "endpoint-independent mapping: the same port, 5000,"},
		"another one each": {[]mapping{{at("198.51.100.7:3478"), at("203.0.113.9:5000")}, {at("198.51.100.7:50000"), at("203.0.113.9:6000")}}, "192.168.1.2:5000", mapDependent, "ports 5000, 6000 for one socket"},
	} {
		t.Run(name, func(t *testing.T) {
			x, row := &examination{}, Row{}
			x.judgeNAT(&row, c.seen, at(c.own), "why")
			if x.found.mapped != c.want || !strings.Contains(row.Found, c.text) {
				t.Errorf("it is %q, %+v; want %q, %q", x.found.mapped, row, c.want, c.text)
			}
		})
	}
}

func TestEventsThatComeTogetherAreHeldBack(t *testing.T) {
	ms := func(times ...int) (took []time.Duration) {
		for _, n := range times {
			took = append(took, time.Duration(n)*time.Millisecond)
		}
		return took
	}
	for name, c := range map[string]struct {
		took []time.Duration
		want bool
	}{
		"each at once":                      {ms(5, 4, 6), false},
		"each late, as on a slow network":   {ms(700, 690, 710), false},
		"all together, with the last":       {ms(640, 340, 40), true},
		"all together, and late":            {ms(2600, 2300, 2000), true},
		"one late, on a network that jumps": {ms(5, 800, 6), false},
	} {
		if got := bunched(c.took); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestTheVerdictIsOneSentence(t *testing.T) {
	stunned := []mapping{{}}
	over := func(kinds ...string) map[string]*relayPath {
		paths := map[string]*relayPath{}
		for _, kind := range kinds {
			paths[kind] = &relayPath{over: kind}
		}
		return paths
	}
	for name, c := range map[string]struct {
		stun   []mapping
		mapped mapped
		relays map[string]*relayPath
		want   string
		path   string
	}{
		"all is open":            {stunned, mapNone, over("UDP", "TCP", "TLS"), "connect directly, and through the relay where the other side cannot.", "direct"},
		"there is no relay":      {stunned, mapIndependent, nil, "directly with most others, and with the rest only through the server, since no relay works.", "direct"},
		"the NAT is symmetric":   {stunned, mapDependent, over("UDP"), "since this network's NAT is symmetric.", "direct"},
		"symmetric and no relay": {stunned, mapDependent, nil, "often connect only through the server, since its NAT is symmetric and no relay works.", "server"},
		"UDP is blocked":         {nil, mapUnknown, over("TCP", "TLS"), "only through the relay over TCP, since UDP is blocked.", "relay"},
		"only TLS passes":        {nil, mapUnknown, over("TLS"), "only through the relay over TLS, since UDP is blocked.", "relay"},
		"STUN is blocked":        {nil, mapUnknown, over("UDP"), "only through the relay over UDP, since no STUN server answers.", "relay"},
		"nothing passes":         {nil, mapUnknown, nil, "only through the server, since it names no STUN and no TURN server.", "server"},
	} {
		t.Run(name, func(t *testing.T) {
			x := &examination{}
			x.found = findings{server: true, joined: true, links: map[string]bool{"websocket": true, "post": true}, stun: c.stun, mapped: c.mapped, relays: c.relays}
			v := x.verdict(nil)
			if !strings.HasSuffix(v.Text, c.want) || v.Path != c.path || strings.Count(v.Text, ". ") > 0 {
				t.Errorf("the verdict is %+v, want %q by %s", v, c.want, c.path)
			}
		})
	}
}
