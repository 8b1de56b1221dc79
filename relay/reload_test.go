package relay

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestAReloadLosesNoPacket(t *testing.T) {
	cfg := Config{Keyring: keyring(t, "north"), AllowLoopback: true}
	server, addr := serve(t, cfg)
	cfg = server.cfg
	credential, err := cfg.Keyring.Mint("alice", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	relayed, _ := allocate(t, addr, credential.Username, credential.Password)
	peer := echo(t)
	send(t, relayed, []byte("hello"), peer)
	expect(t, relayed, []byte("hello"), peer)

	const reloads, perReload = 50, 20
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 64)
		for next := range uint32(reloads * perReload) {
			_ = relayed.SetReadDeadline(time.Now().Add(patience))
			n, _, err := relayed.ReadFrom(buf)
			if err == nil && (n != 4 || binary.BigEndian.Uint32(buf) != next) {
				t.Errorf("packet %d of %d bytes came, want %d", binary.BigEndian.Uint32(buf), n, next)
			}
			if err != nil {
				t.Errorf("packet %d does not come back: %v", next, err)
				break
			}
		}
		done <- nil
	}()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for i := range reloads {
		reloaded := make(chan error, 1)
		next := cfg
		next.Keyring = keyring(t, "north", strings.Repeat("x", i+1))
		next.DenyPeers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		go func() { reloaded <- server.Reload(next) }()
		for j := range perReload {
			<-ticker.C
			send(t, relayed, binary.BigEndian.AppendUint32(nil, uint32(i*perReload+j)), peer)
		}
		if err := <-reloaded; err != nil {
			t.Fatal(err)
		}
	}
	<-done
	if got, want := server.Stats().FromPeers.Packets, uint64(reloads*perReload+1); got != want {
		t.Errorf("%d packets came from the peer, want %d", got, want)
	}
}

func TestAReloadEndsWhatIsNowDenied(t *testing.T) {
	server, addr := serve(t, Config{AllowLoopback: true})
	relayed, _ := allocate(t, addr, "alice", "secret")
	peer := echo(t)
	send(t, relayed, []byte("hello"), peer)
	expect(t, relayed, []byte("hello"), peer)
	cfg := server.cfg
	cfg.DenyPeers = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if err := server.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	// The client believes in its channel or permission still.
	if _, err := relayed.WriteTo([]byte("still there?"), peer); err != nil {
		t.Logf("the client noticed: %v", err)
	}
	eventually(t, server, "a packet to a denied peer to be dropped", func(s Stats) bool {
		return s.Drops["no-channel"]+s.Drops["no-permission"] > 0 || s.Refusals["peer-denied"] > 0
	})
	if got := server.Stats().ToPeers.Packets; got != 1 {
		t.Errorf("%d packets went to the peer, want the one before", got)
	}
	cfg.DenyPeers = nil
	if err := server.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	other, _ := allocate(t, addr, "bob", "secret")
	send(t, other, []byte("again"), peer)
	expect(t, other, []byte("again"), peer)
}

func TestWhoIsGoneAfterAReloadIsRefused(t *testing.T) {
	server, addr := serve(t, Config{Keyring: keyring(t, "north"), Users: map[string]string{"alice": "secret", "bob": "secret"}})
	minted, err := keyring(t, "north").Mint("carol", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	clients := map[string]*requester{
		"a user that is gone":      newRequester(t, addr, "alice", "secret"),
		"a user that stays":        newRequester(t, addr, "bob", "secret"),
		"a secret that is gone":    newRequester(t, addr, minted.Username, minted.Password),
		"a secret that comes back": newRequester(t, addr, minted.Username, minted.Password),
	}
	for name, r := range clients {
		if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
			t.Fatalf("%s: Allocate: %d", name, got)
		}
	}
	refresh := func(name string, want stun.ErrorCode) {
		t.Helper()
		if got := codeOf(clients[name].request(stun.MethodRefresh)); got != want {
			t.Errorf("%s: Refresh: %d, want %d", name, got, want)
		}
	}
	cfg := server.cfg
	cfg.Users, cfg.Keyring = map[string]string{"bob": "secret"}, keyring(t, "south")
	if err := server.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	refresh("a user that is gone", stun.CodeUnauthorized)
	refresh("a user that stays", 0)
	refresh("a secret that is gone", stun.CodeUnauthorized)
	cfg.Keyring = keyring(t, "south", "north")
	if err := server.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	refresh("a secret that comes back", 0)
}

func TestUserHashesFollowAReload(t *testing.T) {
	server, addr := serve(t, Config{})
	cfg := server.cfg
	cfg.Users = map[string]string{"carol": "secret"}
	if err := server.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]stun.ErrorCode{"carol": 0, "alice": stun.CodeUnauthorized} {
		r := newRequester(t, addr, name, "secret")
		response := r.exchange(stun.MethodAllocate, transportUDP, userhash(name), stun.NewRealm("parley"), r.nonce, r.key)
		if got := codeOf(response); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestABrokenReloadChangesNothing(t *testing.T) {
	server, addr := serve(t, Config{})
	for name, test := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"fields that cannot change":  {func(c *Config) { c.Realm, c.MaxChannels = "other", 7 }, []string{"Realm, MaxChannels cannot change"}},
		"an address":                 {func(c *Config) { c.PublicIP = netip.MustParseAddr("192.0.2.1") }, []string{"PublicIP cannot change"}},
		"a keyring where was none":   {func(c *Config) { c.Keyring = keyring(t, "north") }, []string{"Keyring cannot be added"}},
		"nobody to serve":            {func(c *Config) { c.Users = nil }, []string{"no anonymous mode"}},
		"a user without a password":  {func(c *Config) { c.Users = map[string]string{"dave": ""} }, []string{`"dave" has no password`}},
		"a prefix that is none":      {func(c *Config) { c.DenyPeers = []netip.Prefix{{}} }, []string{"invalid prefix"}},
		"two faults of several sort": {func(c *Config) { c.Users, c.NAT64 = nil, []netip.Prefix{netip.MustParsePrefix("2001:db8::/33")} }, []string{"anonymous", "2001:db8::/33"}},
	} {
		cfg := server.cfg
		cfg.Users = map[string]string{"eve": "secret"}
		test.change(&cfg)
		err := server.Reload(cfg)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not mention %q", name, err, want)
			}
		}
	}
	if got := codeOf(newRequester(t, addr, "alice", "secret").request(stun.MethodAllocate, transportUDP)); got != 0 {
		t.Errorf("alice is refused afterwards: %d", got)
	}
	if got := codeOf(newRequester(t, addr, "eve", "secret").request(stun.MethodAllocate, transportUDP)); got != stun.CodeUnauthorized {
		t.Errorf("eve got %d, want 401", got)
	}
}

func TestAnAddressThatTheHostAcquiresIsDeniedFromThenOn(t *testing.T) {
	var acquired atomic.Bool
	public := netip.MustParseAddr("8.8.8.8")
	server, addr := serve(t, Config{recheck: time.Millisecond, interfaces: func() ([]netip.Addr, error) {
		if acquired.Load() {
			return []netip.Addr{public}, nil
		}
		return nil, nil
	}})
	r := newRequester(t, addr, "alice", "secret")
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	to := peer(netip.AddrPortFrom(public, 9))
	if got := codeOf(r.request(stun.MethodCreatePermission, to)); got != 0 {
		t.Fatalf("CreatePermission: %d", got)
	}
	acquired.Store(true)
	indication := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), to, attribute(stun.AttrData, 'x'))
	eventually(t, server, "the permission to end", func(s Stats) bool {
		if _, err := r.conn.Write(indication.Raw); err != nil { // it goes nowhere: relay sockets here are bound to loopback
			t.Fatal(err)
		}
		return s.Drops["no-permission"] > 0
	})
	if got := codeOf(r.request(stun.MethodCreatePermission, to)); got != stun.CodeForbidden {
		t.Errorf("CreatePermission for an address of this host: %d, want 403", got)
	}
}

// userhash is a USERHASH attribute (RFC 8489 section 14.4).
func userhash(name string) stun.Setter {
	sum := sha256.Sum256([]byte(name + ":parley"))
	return attribute(stun.AttrUserhash, sum[:]...)
}
