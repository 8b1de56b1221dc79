package relay

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"
)

// crewed returns a server of three workers and its address.
func crewed(t *testing.T, cfg Config) (*Server, string) {
	t.Helper()
	cfg.Workers = 3
	return serve(t, cfg)
}

// workerOf calls f, which makes an allocation, and returns at which worker.
func workerOf(t *testing.T, server *Server, f func()) int {
	t.Helper()
	before := server.crew.Stats().ByWorker
	f()
	for i, n := range server.crew.Stats().ByWorker {
		if n > before[i] {
			return i
		}
	}
	t.Fatal("no worker has another allocation")
	return 0
}

// apart calls f until it has made two allocations of different workers.
func apart(t *testing.T, server *Server, first func(), second func()) {
	t.Helper()
	at := workerOf(t, server, first)
	for range 60 { // sooner, but once in 10^28 times
		if workerOf(t, server, second) != at {
			return
		}
	}
	t.Fatalf("all clients are at worker %d", at)
}

// newcomer returns a client that has an allocation, and its relayed address.
func newcomer(t *testing.T, addr, user string, attributes ...stun.Setter) (*requester, net.Addr, *stun.Message) {
	t.Helper()
	r := newRequester(t, addr, user, "secret")
	response := r.request(stun.MethodAllocate, append(attributes, transportUDP)...)
	if got := codeOf(response); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	relayed := xored(t, response, stun.AttrXORRelayedAddress)
	return r, &net.UDPAddr{IP: relayed.IP, Port: relayed.Port}, response
}

// answer returns the next response.
func (r *requester) answer() *stun.Message {
	r.t.Helper()
	if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, err := r.conn.Read(buf)
	if err != nil {
		r.t.Fatalf("no response: %v", err)
	}
	response := stun.New()
	if _, err := response.Write(buf[:n]); err != nil {
		r.t.Fatal(err)
	}
	return response
}

func TestClientsAreDividedAndStayWhereTheyAre(t *testing.T) {
	server, addr := crewed(t, Config{AllowLoopback: true})
	for range 60 {
		r, _, _ := newcomer(t, addr, "alice")
		for range 5 {
			if got := codeOf(r.request(stun.MethodRefresh)); got != 0 {
				t.Fatalf("Refresh: %d: another worker has it", got)
			}
		}
	}
	for i, n := range server.crew.Stats().ByWorker {
		if n < 3 { // once in a million times
			t.Errorf("worker %d has %d of 60 clients", i, n)
		}
	}
	streams := startStreams(t, "127.0.0.1", server.ServeTCP)
	before := server.crew.Stats().ByWorker
	for range 6 {
		conn, err := net.Dial("tcp", streams)
		if err != nil {
			t.Fatal(err)
		}
		p := framed(t, conn, err)
		client, err := turn.NewClient(&turn.ClientConfig{TURNServerAddr: streams, Conn: p, Username: "bob", Password: "secret", Realm: "parley"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		if err := client.Listen(); err != nil {
			t.Fatal(err)
		}
		relayed, err := client.Allocate()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = relayed.Close() })
	}
	for i, n := range server.crew.Stats().ByWorker {
		if n-before[i] != 2 {
			t.Errorf("worker %d has %d of 6 connections", i, n-before[i])
		}
	}
	if conn, err := net.ListenPacket("udp4", addr); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("the port can be had once more: %v, %v", conn, err)
	}
}

// Clients of different workers reach each other inside the relay, whatever they come over: in order, and metered on both sides.
func TestClientsOfDifferentWorkersMeet(t *testing.T) {
	for name, ways := range map[string][2]string{"UDP and UDP": {"UDP", "UDP"}, "UDP and TCP": {"UDP", "TCP"}, "DTLS and TLS": {"DTLS", "TLS"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := both()
			cfg.Workers = 3
			server := newServer(t, cfg)
			t.Cleanup(func() { _ = server.Close() })
			var alice, bob net.PacketConn
			var aliceClient, bobClient *turn.Client
			apart(t, server,
				func() { alice, aliceClient = open(t, server, ways[0], "127.0.0.1", "alice") },
				func() { bob, bobClient = open(t, server, ways[1], "127.0.0.1", "bob") })
			send(t, alice, []byte("too early"), bob.LocalAddr()) // asks for the permission by itself
			eventually(t, server, "bob's refusal", func(s Stats) bool { return s.Drops["peer-no-permission"] == 1 })
			permit(t, aliceClient, bob.LocalAddr())
			permit(t, bobClient, alice.LocalAddr())
			const rounds, each = 20, 10
			p := make([]byte, 100)
			for i := range rounds {
				for j := range each {
					binary.BigEndian.PutUint32(p, uint32(i*each+j))
					send(t, alice, p, bob.LocalAddr())
					send(t, bob, p, alice.LocalAddr())
				}
				for j := range each {
					binary.BigEndian.PutUint32(p, uint32(i*each+j))
					expect(t, bob, p, alice.LocalAddr())
					expect(t, alice, p, bob.LocalAddr())
				}
			}
			const n, size = rounds * each, rounds * each * 100
			eventually(t, server, "all to be counted", func(s Stats) bool {
				return s.FromPeers == Traffic{2 * n, 2 * size} && s.ToPeers == Traffic{2*n + 1, 2*size + 9}
			})
		})
	}
}

// A token is good at any worker, and what was kept by one is the other's from then on.
func TestAPortReservedAtAnotherWorkerIsClaimed(t *testing.T) {
	server, addr := crewed(t, Config{AllowLoopback: true})
	var token []byte
	var even int
	at := workerOf(t, server, func() {
		_, relayed, response := newcomer(t, addr, "alice", attribute(stun.AttrEvenPort, 0x80))
		value, err := response.Get(stun.AttrReservationToken)
		if err != nil {
			t.Fatal(err)
		}
		token, even = value, relayed.(*net.UDPAddr).Port
	})
	r := newRequester(t, addr, "bob", "secret")
	for tries := 0; ; tries++ { // one that is another worker's
		if tries == 60 {
			t.Fatalf("all clients are at worker %d", at)
		}
		if workerOf(t, server, func() {
			if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
				t.Fatalf("Allocate: %d", got)
			}
		}) != at {
			break
		}
		r = newRequester(t, addr, "bob", "secret")
	}
	if got := codeOf(r.request(stun.MethodRefresh, attribute(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
		t.Fatalf("Refresh: %d", got)
	}
	response := r.request(stun.MethodAllocate, transportUDP, attribute(stun.AttrReservationToken, token...))
	if got := codeOf(response); got != 0 {
		t.Fatalf("Allocate with the token: %d", got)
	}
	if odd := xored(t, response, stun.AttrXORRelayedAddress).Port; odd != even+1 {
		t.Errorf("the ports are %d and %d", even, odd)
	}
	peerAt := echo(t)
	if got := codeOf(r.request(stun.MethodChannelBind, attribute(stun.AttrChannelNumber, 0x40, 0, 0, 0), peer(peerAt.(*net.UDPAddr).AddrPort()))); got != 0 {
		t.Fatalf("ChannelBind: %d", got)
	}
	if _, err := r.conn.Write([]byte("\x40\x00\x00\x05hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := r.conn.Read(buf); err != nil || string(buf[4:n]) != "hello" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
	if got := codeOf(r.request(stun.MethodRefresh, attribute(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
		t.Fatalf("Refresh: %d", got)
	}
	eventually(t, server, "the port to be free", func(s Stats) bool { return s.Ports[0].InUse == s.Allocations })
}

// However many clients ask at once, and whichever workers they are at, a quota is not passed.
func TestQuotasHoldForAllWorkersTogether(t *testing.T) {
	const clients, most = 48, 10
	for name, test := range map[string]struct {
		cfg  Config
		want stun.ErrorCode
	}{
		"of a user":   {Config{MaxAllocationsPerUser: most}, stun.CodeAllocQuotaReached},
		"of a source": {Config{MaxAllocationsPerSource: most}, stun.CodeAllocQuotaReached},
		"of all":      {Config{MaxAllocations: most}, stun.CodeInsufficientCapacity},
	} {
		t.Run(name, func(t *testing.T) {
			server, addr := crewed(t, test.cfg)
			var all [clients]*requester
			for i := range all {
				all[i] = newRequester(t, addr, "alice", "secret")
			}
			for range 5 {
				for _, r := range all {
					p := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), transportUDP,
						stun.NewUsername("alice"), stun.NewRealm("parley"), r.nonce, r.key)
					if _, err := r.conn.Write(p.Raw); err != nil {
						t.Fatal(err)
					}
				}
				var have []*requester
				for _, r := range all {
					switch got := codeOf(r.answer()); got {
					case 0:
						have = append(have, r)
					case test.want:
					default:
						t.Fatalf("Allocate: %d, want %d", got, test.want)
					}
				}
				if len(have) != most || server.Stats().Allocations != most {
					t.Errorf("%d of %d got an allocation, want %d; %d live", len(have), clients, most, server.Stats().Allocations)
				}
				for _, r := range have {
					if got := codeOf(r.request(stun.MethodRefresh, attribute(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
						t.Fatalf("Refresh: %d", got)
					}
				}
			}
		})
	}
}

// What is asked of a server concerns all of its workers.
func TestAServerSpeaksForAllItsWorkers(t *testing.T) {
	server, addr := crewed(t, Config{})
	var before []uint64
	var anybody *requester
	public := peer(netip.MustParseAddrPort("8.8.8.8:1"))
	for i := range 30 {
		user := []string{"alice", "bob"}[i%2]
		anybody, _, _ = newcomer(t, addr, user)
		if got := codeOf(anybody.request(stun.MethodCreatePermission, public)); got != 0 {
			t.Fatalf("CreatePermission: %d", got)
		}
	}
	for after := uint64(0); ; {
		page := server.Allocations(after, 7)
		for _, a := range page {
			if a.ID <= after {
				t.Fatalf("%d comes after %d", a.ID, after)
			}
			after = a.ID
			before = append(before, a.ID)
		}
		if len(page) < 7 {
			break
		}
	}
	if len(before) != 30 || before[0] != 1 || before[29] != 30 {
		t.Errorf("the allocations are %v, want 1 to 30", before)
	}
	cfg := server.cfg
	cfg.DenyPeers = []netip.Prefix{netip.MustParsePrefix("8.8.8.0/24")}
	if err := server.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if got := codeOf(anybody.request(stun.MethodCreatePermission, public)); got != stun.CodeForbidden {
		t.Errorf("CreatePermission for a peer that is denied now: %d, want 403", got)
	}
	if n := server.Revoke("alice"); n != 15 {
		t.Errorf("%d allocations were revoked, want 15", n)
	}
	stats := server.Stats()
	if stats.Allocations != 15 || stats.AllocationsTotal != 30 || stats.Transports["udp"] != (TransportStats{15, 30}) || stats.Challenges != 30 {
		t.Errorf("stats are %+v", stats)
	}
}
