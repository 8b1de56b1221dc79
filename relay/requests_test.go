package relay

import (
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

func TestRequestsWithoutAnAllocationGetAnAnswer(t *testing.T) {
	_, addr := serve(t, Config{})
	r := newRequester(t, addr, "alice", "secret")
	for _, method := range []stun.Method{stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind} {
		if got := codeOf(r.request(method)); got != stun.CodeAllocMismatch {
			t.Errorf("%v: %d, want 437", method, got)
		}
	}
}

func TestAllocateRefuses(t *testing.T) {
	server, addr := serve(t, Config{})
	r := newRequester(t, addr, "alice", "secret")
	for name, test := range map[string]struct {
		attributes []stun.Setter
		want       stun.ErrorCode
		reason     string
	}{
		"no transport":  {nil, stun.CodeBadRequest, "malformed"},
		"TCP":           {[]stun.Setter{attribute(stun.AttrRequestedTransport, 6, 0, 0, 0)}, stun.CodeUnsupportedTransProto, "transport"},
		"IPv6":          {[]stun.Setter{transportUDP, attribute(stun.AttrRequestedAddressFamily, 2, 0, 0, 0)}, stun.CodeAddrFamilyNotSupported, "family"},
		"a reservation": {[]stun.Setter{transportUDP, attribute(stun.AttrReservationToken, 1, 2, 3, 4, 5, 6, 7, 8)}, stun.CodeInsufficientCapacity, "reservation"},
	} {
		t.Run(name, func(t *testing.T) {
			before := server.Stats().Refusals[test.reason]
			if got := codeOf(r.request(stun.MethodAllocate, test.attributes...)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			if got := server.Stats().Refusals[test.reason] - before; test.reason != "" && got != 1 {
				t.Errorf("%d refusals as %s, want 1", got, test.reason)
			}
		})
	}
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP, attribute(stun.AttrRequestedAddressFamily, 1, 0, 0, 0))); got != 0 {
		t.Errorf("IPv4 asked for by name: %d, want success", got)
	}
}

func TestAnAllocateThatComesTwiceGetsTheSameAnswer(t *testing.T) {
	server, addr := serve(t, Config{})
	r := newRequester(t, addr, "alice", "secret")
	p := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), transportUDP,
		stun.NewUsername("alice"), stun.NewRealm("parley"), r.nonce, r.key).Raw
	var relayed [2]stun.XORMappedAddress
	for i := range relayed {
		response := r.raw(p)
		if got := codeOf(response); got != 0 {
			t.Fatalf("time %d: %d, want success", i+1, got)
		}
		if err := relayed[i].GetFromAs(response, stun.AttrXORRelayedAddress); err != nil {
			t.Fatal(err)
		}
	}
	if relayed[0].String() != relayed[1].String() {
		t.Errorf("relayed addresses are %v and %v, want the same", relayed[0], relayed[1])
	}
	if got := server.Stats().AllocationsTotal; got != 1 {
		t.Errorf("%d allocations made, want 1", got)
	}
}

func TestAnEvenPortIsEven(t *testing.T) {
	server, addr := serve(t, Config{})
	r := newRequester(t, addr, "alice", "secret")
	response := r.request(stun.MethodAllocate, transportUDP, attribute(stun.AttrEvenPort, 0))
	if got := codeOf(response); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(response, stun.AttrXORRelayedAddress); err != nil {
		t.Fatal(err)
	}
	if relayed.Port%2 != 0 {
		t.Errorf("port %d is odd", relayed.Port)
	}
	if stats := server.Stats(); stats.Allocations != 1 || stats.AllocationsTotal != 1 {
		t.Errorf("stats = %+v, want one allocation", stats)
	}
}

func TestDeniedPeersAreForbidden(t *testing.T) {
	server, addr := serve(t, Config{
		AllowPeers: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		DenyPeers:  []netip.Prefix{netip.MustParsePrefix("9.9.9.9/32")},
	})
	r := newRequester(t, addr, "alice", "secret")
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	tests := map[string]struct {
		peers []string
		want  stun.ErrorCode
	}{
		"a public address":          {[]string{"8.8.8.8:1"}, 0},
		"an allowed private one":    {[]string{"10.1.2.3:1"}, 0},
		"a private one":             {[]string{"10.2.3.4:1"}, stun.CodeForbidden},
		"a cloud's metadata":        {[]string{"169.254.169.254:80"}, stun.CodeForbidden},
		"loopback beside the relay": {[]string{"127.0.0.2:80"}, stun.CodeForbidden},
		"loopback in IPv6":          {[]string{"[::1]:80"}, stun.CodeForbidden},
		"a mapped private one":      {[]string{"[::ffff:10.2.3.4]:80"}, stun.CodeForbidden},
		"a denied public one":       {[]string{"9.9.9.9:53"}, stun.CodeForbidden},
		"one denied among several":  {[]string{"8.8.8.8:1", "10.2.3.4:1", "8.8.4.4:1"}, stun.CodeForbidden},
		"IPv6, on an IPv4 relay":    {[]string{"[2a00:1450:4001::200e]:1"}, stun.CodePeerAddrFamilyMismatch},
		"nobody":                    {nil, stun.CodeBadRequest},
	}
	var denied uint64
	for name, test := range tests {
		var peers []stun.Setter
		for _, text := range test.peers {
			peers = append(peers, peer(netip.MustParseAddrPort(text)))
		}
		if got := codeOf(r.request(stun.MethodCreatePermission, peers...)); got != test.want {
			t.Errorf("CreatePermission for %s: %d, want %d", name, got, test.want)
		}
		if test.want == stun.CodeForbidden {
			denied++
		}
	}
	for name, want := range map[string]stun.ErrorCode{"10.2.3.4:80": stun.CodeForbidden, "8.8.8.8:80": 0} {
		to := peer(netip.MustParseAddrPort(name))
		if got := codeOf(r.request(stun.MethodChannelBind, attribute(stun.AttrChannelNumber, 0x40, 0, 0, 0), to)); got != want {
			t.Errorf("ChannelBind to %s: %d, want %d", name, got, want)
		}
	}
	if got := server.Stats().Refusals["peer-denied"]; got != denied+1 {
		t.Errorf("%d refusals as peer-denied, want %d", got, denied+1)
	}
}
