package relay

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

func TestWrongCredentialsAreRefused(t *testing.T) {
	ring := keyring(t, "north")
	good, err := ring.Mint("carol", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	server, addr := serve(t, Config{Keyring: ring, Users: map[string]string{"alice": "secret"}})
	tests := map[string][2]string{
		"a wrong password":                     {"alice", "wrong"},
		"an unknown user":                      {"mallory", "secret"},
		"a wrong time-limited password":        {good.Username, "wrong"},
		"a time-limited password of another":   {"9" + good.Username, good.Password},
		"a fixed password, time-limited style": {"1893502800:alice", "secret"},
	}
	for name, user := range tests {
		t.Run(name, func(t *testing.T) {
			refused(t, newClient(t, addr, user[0], user[1]), "401")
		})
	}
	stats := server.Stats()
	if stats.AuthFailures != uint64(len(tests)) || stats.AllocationsTotal != 0 {
		t.Errorf("stats = %+v, want %d failures and no allocation", stats, len(tests))
	}
}

func TestEverySecretOfTheKeyringWorks(t *testing.T) {
	server, addr := serve(t, Config{Keyring: keyring(t, "new", "old", "older")})
	for _, secret := range []string{"new", "old", "older"} {
		credential, err := keyring(t, secret).Mint("alice", time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		allocate(t, addr, credential.Username, credential.Password)
	}
	credential, err := keyring(t, "foreign").Mint("alice", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, newClient(t, addr, credential.Username, credential.Password), "401")
	if got := server.Stats().AuthFailures; got != 1 {
		t.Errorf("%d auth failures, want 1", got)
	}
}

func TestAnExpiredCredentialIsRefused(t *testing.T) {
	ring := keyring(t, "north")
	credential, err := ring.Mint("alice", time.Now().Add(-2*time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	server, addr := serve(t, Config{Keyring: ring})
	refused(t, newClient(t, addr, credential.Username, credential.Password), "401")
	stats := server.Stats()
	if stats.Refusals["expired"] != 1 || stats.AuthFailures != 0 {
		t.Errorf("stats = %+v, want one refusal as expired and no auth failure", stats)
	}
}

func TestALiveAllocationOutlivesItsCredential(t *testing.T) {
	ring := keyring(t, "north")
	credential, err := ring.Mint("alice", time.Now(), 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, addr := serve(t, Config{Keyring: ring})
	r := newRequester(t, addr, credential.Username, credential.Password)
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	time.Sleep(time.Until(credential.Expires))

	if got := codeOf(r.request(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh after expiry: %d, want success", got)
	}
	if got := codeOf(r.request(stun.MethodCreatePermission, peer(netip.MustParseAddrPort("8.8.8.8:1")))); got != 0 {
		t.Errorf("CreatePermission after expiry: %d, want success", got)
	}
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != stun.CodeAllocMismatch {
		t.Errorf("another Allocate after expiry: %d, want 437", got)
	}
	if got := codeOf(newRequester(t, addr, credential.Username, credential.Password).request(stun.MethodAllocate, transportUDP)); got != stun.CodeUnauthorized {
		t.Errorf("Allocate elsewhere after expiry: %d, want 401", got)
	}
}

func TestAccount(t *testing.T) {
	ring := keyring(t, "north", "south")
	expires := time.Unix(1700000000, 0)
	now := expires.Add(-time.Hour)
	minted := []string{"Cd/49soE35ICqcJF/bCTn8Z4OyE=", "FJeNoC0yJtNekwCa5JT/sW/1Ls4="}
	cfg := Config{Keyring: ring, Users: map[string]string{"bob": "secret", "1700000000:bob": "odd"}}
	tests := map[string]struct {
		cfg      Config
		username string
		now      time.Time
		want     turn.Account
	}{
		"a time-limited name":                {cfg, "1700000000:alice", now, turn.Account{User: "alice", Passwords: minted, Expires: expires}},
		"a time-limited name, late":          {cfg, "1700000000:alice", now.Add(2 * time.Hour), turn.Account{User: "alice", Passwords: minted, Expires: expires}},
		"a fixed name":                       {cfg, "bob", now, turn.Account{User: "bob", Passwords: []string{"secret"}}},
		"a fixed name that looks like a key": {cfg, "1700000000:bob", now, turn.Account{User: "1700000000:bob", Passwords: []string{"odd"}}},
		"nobody":                             {cfg, "mallory", now, turn.Account{}},
		"nobody, without a keyring":          {Config{Users: cfg.Users}, "1700000000:alice", now, turn.Account{}},
	}
	for name, test := range tests {
		got := accessOf(t, test.cfg).account(test.username, test.now)
		if got.User != test.want.User || !got.Expires.Equal(test.want.Expires) || len(got.Passwords) != len(test.want.Passwords) {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
			continue
		}
		for i := range got.Passwords {
			if got.Passwords[i] != test.want.Passwords[i] {
				t.Errorf("%s: password %d is %q, want %q", name, i, got.Passwords[i], test.want.Passwords[i])
			}
		}
	}
}

func TestAnonymousUsersOfAKeyringHaveAQuotaEach(t *testing.T) {
	cfg := Config{Keyring: keyring(t, "north")}
	first := accessOf(t, cfg).account("1700000000:", time.Unix(0, 0)).User
	second := accessOf(t, cfg).account("1700000001:", time.Unix(0, 0)).User
	if first == "" || first == second {
		t.Errorf("accounts are %q and %q, want two", first, second)
	}
}

func TestAnotherUserCannotTouchAnAllocation(t *testing.T) {
	server, addr := serve(t, Config{})
	r := newRequester(t, addr, "alice", "secret")
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}

	// The same five-tuple, as behind a proxy, and good credentials, but not alice's.
	r.as("bob", "secret")
	somebody := peer(netip.MustParseAddrPort("8.8.8.8:1"))
	for name, test := range map[string]struct {
		method     stun.Method
		attributes []stun.Setter
		want       stun.ErrorCode
	}{
		"deleting":   {stun.MethodRefresh, []stun.Setter{attribute(stun.AttrLifetime, 0, 0, 0, 0)}, stun.CodeWrongCredentials},
		"refreshing": {stun.MethodRefresh, nil, stun.CodeWrongCredentials},
		"permitting": {stun.MethodCreatePermission, []stun.Setter{somebody}, stun.CodeWrongCredentials},
		"binding":    {stun.MethodChannelBind, []stun.Setter{attribute(stun.AttrChannelNumber, 0x40, 0, 0, 0), somebody}, stun.CodeWrongCredentials},
		"allocating": {stun.MethodAllocate, []stun.Setter{transportUDP}, stun.CodeAllocMismatch},
	} {
		if got := codeOf(r.request(test.method, test.attributes...)); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	if got := server.Stats().Allocations; got != 1 {
		t.Errorf("%d allocations live, want 1", got)
	}
}

func TestWhatFollowsTheSignatureDoesNotCount(t *testing.T) {
	_, addr := serve(t, Config{})
	r := newRequester(t, addr, "alice", "secret")
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	// An unsigned LIFETIME of 0 behind the signature would delete the allocation.
	r.exchange(stun.MethodRefresh, stun.NewUsername("alice"), stun.NewRealm("parley"), r.nonce, r.key,
		attribute(stun.AttrLifetime, 0, 0, 0, 0))
	if got := codeOf(r.request(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh after it: %d, want success", got)
	}
}

func TestAnotherRealmIsRefused(t *testing.T) {
	server, addr := serve(t, Config{})
	r := newRequester(t, addr, "alice", "secret")
	// Signed for the right realm, but saying another.
	response := r.exchange(stun.MethodAllocate, transportUDP, stun.NewUsername("alice"), stun.NewRealm("elsewhere"), r.nonce, r.key)
	if got := codeOf(response); got != stun.CodeUnauthorized {
		t.Errorf("got %d, want 401", got)
	}
	if got := server.Stats().AuthFailures; got != 1 {
		t.Errorf("%d auth failures, want 1", got)
	}
}

func TestOddUsernamesAreUnknown(t *testing.T) {
	cfg := Config{Keyring: keyring(t, "north")}
	for _, username := range []string{"1700000000:\x00", "1700000000:" + string(make([]byte, credentials.MaxUsername))} {
		if got := accessOf(t, cfg).account(username, time.Unix(0, 0)); len(got.Passwords) != 0 {
			t.Errorf("account of %q has passwords", username)
		}
	}
}

// accessOf returns what a configuration says about users.
func accessOf(t *testing.T, cfg Config) *access {
	t.Helper()
	a, err := cfg.access()
	if err != nil {
		t.Fatal(err)
	}
	return a
}
