package relay

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestNewReportsEveryFaultAtOnce(t *testing.T) {
	_, err := New(Config{
		Realm:                 strings.Repeat("r", 128),
		PublicIP:              netip.MustParseAddr("2001:db8::1"),
		RelayBind:             netip.MustParseAddr("::1"),
		MinPort:               2000,
		MaxPort:               1000,
		AllowPeers:            []netip.Prefix{{}},
		NAT64:                 []netip.Prefix{netip.MustParsePrefix("2001:db8::/33")},
		MaxAllocations:        -1,
		MaxAllocationsPerUser: -1,
		BitsPerAddress:        -1,
		NewPeers:              -1,
		AuthTimeout:           -1,
		Workers:               MaxWorkers + 1,
	})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		"Realm", "PublicIP 2001:db8::1", "RelayBind ::1", "MinPort 2000", "no anonymous mode",
		"invalid prefix", "2001:db8::/33", "MaxAllocations is", "MaxAllocationsPerUser is", "BitsPerAddress is", "NewPeers is", "AuthTimeout is", "Workers is 257, it must be 0 to 256",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %q", err, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	users := map[string]string{"alice": "secret"}
	for name, cfg := range map[string]Config{
		"no users":                {PublicIP: localhost},
		"no public address":       {Users: users},
		"an unspecified address":  {Users: users, PublicIP: netip.IPv4Unspecified()},
		"a multicast address":     {Users: users, PublicIP: netip.MustParseAddr("224.0.0.1")},
		"a user without a name":   {Users: map[string]string{"": "secret"}, PublicIP: localhost},
		"a user without password": {Users: map[string]string{"alice": ""}, PublicIP: localhost},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestDefaults(t *testing.T) {
	cfg, err := Config{RelayBind: localhost, Users: map[string]string{"alice": "secret"}}.resolved()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Realm != "parley" || cfg.PublicIP != localhost || cfg.MinPort != 49152 || cfg.MaxPort != 65535 ||
		cfg.MaxAllocations != 0 || cfg.MaxAllocationsPerUser != 64 || cfg.Logger == nil {
		t.Errorf("got %+v", cfg)
	}
}

func TestShutdownWaitsForLiveAllocations(t *testing.T) {
	leaktest.Check(t)
	server, addr := serve(t, Config{AllowLoopback: true})
	relayed, _ := allocate(t, addr, "alice", "secret")
	peer := echo(t)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(ctx) }()

	late := newClient(t, addr, "bob", "secret")
	eventually(t, server, "a new allocation to be refused", func(s Stats) bool {
		relayed, err := late.Allocate()
		if err == nil {
			_ = relayed.Close()
		}
		return s.Refusals["draining"] > 0
	})
	send(t, relayed, []byte("still here"), peer)
	expect(t, relayed, []byte("still here"), peer)
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v while an allocation lives", err)
	default:
	}

	if err := relayed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown returned %v, want nil", err)
	}
}

func TestADrainingServerSendsClientsElsewhere(t *testing.T) {
	elsewhere := netip.MustParseAddrPort("192.0.2.7:3479")
	server, addr := serve(t, Config{Alternate: func(c Client) (netip.AddrPort, string, bool) {
		return elsewhere, "", c.Transport == "udp" && c.Addr.Addr() == localhost
	}})
	allocate(t, addr, "alice", "secret")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(ctx) }()
	r := newRequester(t, addr, "bob", "secret")
	eventually(t, server, "a client to be sent away", func(s Stats) bool {
		response := r.request(stun.MethodAllocate, transportUDP)
		if codeOf(response) == 0 { // Shutdown has not begun
			r.request(stun.MethodRefresh, attribute(stun.AttrLifetime, 0, 0, 0, 0))
			return false
		}
		var to stun.AlternateServer
		if err := to.GetFrom(response); err != nil || codeOf(response) != stun.CodeTryAlternate {
			t.Fatalf("got %d, %v", codeOf(response), err)
		}
		if to.IP.String() != elsewhere.Addr().String() || to.Port != int(elsewhere.Port()) {
			t.Errorf("to %v, want %v", to, elsewhere)
		}
		return true
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown returned %v, want its context's error", err)
	}
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	leaktest.Check(t)
	server, addr := serve(t, Config{})
	for range 20 {
		allocate(t, addr, "alice", "secret")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v, want its context's error", err)
	}
	if got := server.Stats().Allocations; got != 0 {
		t.Errorf("%d allocations live afterwards, want 0", got)
	}
}

func TestAClosedServerServesNothing(t *testing.T) {
	server, _ := serve(t, Config{})
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown after Close: %v", err)
	}
	conn := listen(t)
	if err := server.Serve(conn); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve returned %v, want ErrServerClosed", err)
	}
	if _, err := conn.WriteTo([]byte("x"), conn.LocalAddr()); err == nil {
		t.Error("Serve left the socket open")
	}
}

func TestAnAllocationEndsWhenItsClientSaysSo(t *testing.T) {
	server, addr := serve(t, Config{})
	r := newRequester(t, addr, "alice", "secret")
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	if got := codeOf(r.request(stun.MethodRefresh, attribute(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
		t.Fatalf("Refresh: %d", got)
	}
	if got := server.Stats().Allocations; got != 0 {
		t.Errorf("%d allocations live, want 0", got)
	}
	if got := codeOf(r.request(stun.MethodRefresh)); got != 437 {
		t.Errorf("Refresh afterwards: %d, want 437", got)
	}
}

func TestStrictExpiryEndsAllocationsOnTime(t *testing.T) {
	ring := keyring(t, "north")
	credential, err := ring.Mint("alice", time.Now(), 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	server, addr := serve(t, Config{Keyring: ring, StrictExpiry: true})
	allocate(t, addr, credential.Username, credential.Password)
	eventually(t, server, "the allocation to end", func(s Stats) bool { return s.Allocations == 0 })
	if early := time.Until(credential.Expires); early > 0 {
		t.Errorf("it ended %v early", early)
	}
}

func TestARevokedUserIsOut(t *testing.T) {
	ring := keyring(t, "north")
	log := &lines{}
	server, addr := serve(t, Config{Keyring: ring, Users: map[string]string{"bob": "secret"}, Logger: slog.New(slog.NewTextHandler(log, nil))})
	mint := func() (string, string) {
		t.Helper()
		credential, err := ring.Mint("alice", time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return credential.Username, credential.Password
	}
	username, password := mint()
	allocate(t, addr, username, password)
	allocate(t, addr, username, password)
	allocate(t, addr, "bob", "secret")
	if got := server.Revoke("alice"); got != 2 {
		t.Errorf("%d allocations ended, want 2", got)
	}
	if got := server.Stats().Allocations; got != 1 {
		t.Errorf("%d allocations live, want bob's", got)
	}
	if log.count("msg=\"user revoked\" user=alice ended=2 until=") != 1 || log.count("reason=revoked") != 2 {
		t.Errorf("the log says\n%s", &log.buf)
	}
	username, password = mint()
	refused(t, newClient(t, addr, username, password), "401")
	if got := server.Stats().Refusals["revoked"]; got == 0 {
		t.Errorf("refusals = %v, want one as revoked", server.Stats().Refusals)
	}
}
