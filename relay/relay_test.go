package relay

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v4"
)

func TestBindingTellsTheClientItsAddress(t *testing.T) {
	_, addr := serve(t, Config{})
	client := newClient(t, addr, "", "")
	got, err := client.SendBindingRequest()
	if err != nil {
		t.Fatal(err)
	}
	if udp, ok := got.(*net.UDPAddr); !ok || !udp.IP.Equal(net.IPv4(127, 0, 0, 1)) {
		t.Errorf("got %v, want an address on loopback", got)
	}
}

func TestDataFlowsBothWays(t *testing.T) {
	server, addr := serve(t, Config{AllowLoopback: true})
	relayed, _ := allocate(t, addr, "alice", "secret")
	peer := echo(t)

	var packets, sum uint64
	for _, size := range []int{1, 2, 3, 4, 100, 999, 1200, 1400} {
		// The client sends indications until it has bound a channel, so repeat to see both.
		for range 10 {
			p := bytes.Repeat([]byte{byte(size)}, size)
			send(t, relayed, p, peer)
			expect(t, relayed, p, peer)
			packets, sum = packets+1, sum+uint64(size)
		}
	}

	exactly(t, server, Traffic{Packets: packets, Bytes: sum})
	stats := server.Stats()
	if stats.Allocations != 1 || stats.AllocationsTotal != 1 || stats.AuthFailures != 0 {
		t.Errorf("stats = %+v, want one allocation, no failures", stats)
	}
	if len(stats.Refusals) != 0 || len(stats.Drops) != 0 {
		t.Errorf("refusals %v, drops %v, want none", stats.Refusals, stats.Drops)
	}
	if err := relayed.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, server, "the allocation to end", func(s Stats) bool { return s.Allocations == 0 })
	if total := server.Stats().AllocationsTotal; total != 1 {
		t.Errorf("total = %d after the end, want 1", total)
	}
}

func TestTwoClientsMeetInsideTheRelay(t *testing.T) {
	for name, cfg := range map[string]Config{
		"default policy":                        {},
		"loopback allowed":                      {AllowLoopback: true},
		"relay sockets on every address":        {PublicIP: localhost},
		"an address that only a NAT knows":      {PublicIP: netip.MustParseAddr("198.51.100.7")},
		"an address of a NAT, bound to another": {PublicIP: netip.MustParseAddr("198.51.100.7"), RelayBind: localhost},
	} {
		t.Run(name, func(t *testing.T) {
			server, addr := serve(t, cfg)
			alice, aliceClient := allocate(t, addr, "alice", "secret")
			bob, bobClient := allocate(t, addr, "bob", "secret")
			permit(t, aliceClient, bob.LocalAddr())
			permit(t, bobClient, alice.LocalAddr())

			for i := range 50 {
				p := bytes.Repeat([]byte{byte(i)}, i+1)
				send(t, alice, p, bob.LocalAddr())
				expect(t, bob, p, alice.LocalAddr())
				send(t, bob, p, alice.LocalAddr())
				expect(t, alice, p, bob.LocalAddr())
			}
			exactly(t, server, Traffic{Packets: 100, Bytes: 2 * 50 * 51 / 2})
			if drops := server.Stats().Drops; len(drops) != 0 {
				t.Errorf("drops = %v, want none", drops)
			}
		})
	}
}

func TestWithoutPermissionNothingGoesThroughTheInside(t *testing.T) {
	server, addr := serve(t, Config{})
	alice, aliceClient := allocate(t, addr, "alice", "secret")
	bob, _ := allocate(t, addr, "bob", "secret")
	permit(t, aliceClient, bob.LocalAddr())

	send(t, alice, []byte("unasked"), bob.LocalAddr())
	eventually(t, server, "the packet to get to bob's allocation", func(s Stats) bool { return s.ToPeers.Packets == 1 })
	silent(t, bob)
	if got := server.Stats().FromPeers.Packets; got != 0 {
		t.Errorf("%d packets were relayed to bob, want 0", got)
	}
}

func TestTheHostItselfIsOutOfReach(t *testing.T) {
	server, addr := serve(t, Config{PublicIP: localhost}) // relay sockets on every address
	relayed, client := allocate(t, addr, "alice", "secret")
	planted := listen(t)
	permit(t, client, planted.LocalAddr()) // for the address, since other clients have it too

	for range 10 {
		send(t, relayed, []byte("hello"), planted.LocalAddr())
	}
	eventually(t, server, "10 drops", func(s Stats) bool { return s.Drops["to-own-address"] == 10 })
	silent(t, planted)
	if got := server.Stats().ToPeers.Packets; got != 0 {
		t.Errorf("%d packets left, want 0", got)
	}

	send(t, planted, []byte("hello"), relayed.LocalAddr())
	eventually(t, server, "a drop", func(s Stats) bool { return s.Drops["from-own-address"] == 1 })
	silent(t, relayed)
}

func TestALongDatagramIsDroppedNotCut(t *testing.T) {
	server, addr := serve(t, Config{AllowLoopback: true})
	relayed, client := allocate(t, addr, "alice", "secret")
	peer := listen(t)
	permit(t, client, peer.LocalAddr())
	send(t, peer, make([]byte, 65507), relayed.LocalAddr()) // with a header it does not fit into a datagram
	eventually(t, server, "a drop", func(s Stats) bool { return s.Drops["too-long"] == 1 })
	send(t, peer, make([]byte, 65000), relayed.LocalAddr())
	expect(t, relayed, make([]byte, 65000), peer.LocalAddr())
}

func TestGarbageIsCountedAndHarmless(t *testing.T) {
	server, addr := serve(t, Config{})
	conn := listen(t)
	to, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string][]byte{
		"first-byte": {0x16, 0xfe, 0xfd, 0, 0},
		"malformed":  {0, 1, 0, 0},
		"empty":      {},
		"method":     append([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...),
	} {
		send(t, conn, p, to)
		eventually(t, server, name, func(s Stats) bool { return s.Drops[name] == 1 })
	}
	for _, p := range [][]byte{
		{0x40, 0, 0, 100, 1},                                        // ChannelData longer than the datagram
		bytes.Repeat([]byte{0x40}, 4000),                            // ChannelData of nobody
		append([]byte{0, 0x16}, make([]byte, 18)...),                // no cookie
		[]byte("\x00\x16\x00\x00\x21\x12\xa4\x42" + "012345678901"), // a bare Send indication
		make([]byte, 65507),
	} {
		send(t, conn, p, to)
	}
	silent(t, conn)
	if _, err := newClient(t, addr, "", "").SendBindingRequest(); err != nil {
		t.Errorf("after the garbage: %v", err)
	}
}

func TestPortsRunOut(t *testing.T) {
	low := freePort(t)
	server, addr := serve(t, Config{MinPort: low, MaxPort: low, MaxAllocations: 10})
	first, _ := allocate(t, addr, "alice", "secret")
	if got := first.LocalAddr().(*net.UDPAddr).Port; got != int(low) {
		t.Errorf("relayed port = %d, want %d", got, low)
	}
	refused(t, newClient(t, addr, "bob", "secret"), "508")
	if got := server.Stats().Refusals["no-port"]; got != 1 {
		t.Errorf("refusals = %v, want one for no-port", server.Stats().Refusals)
	}

	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, server, "the port to be free again", func(s Stats) bool { return s.Allocations == 0 })
	allocate(t, addr, "bob", "secret")
}

func TestAPortOfAnotherProgramIsPassedOver(t *testing.T) {
	taken := listen(t).LocalAddr().(*net.UDPAddr).Port
	if taken == 65535 {
		t.Skip("the system gave the last port")
	}
	_, addr := serve(t, Config{MinPort: uint16(taken), MaxPort: uint16(taken) + 1})
	client := newClient(t, addr, "alice", "secret")
	relayed, err := client.Allocate()
	if err != nil {
		t.Skipf("the port after it is taken as well: %v", err)
	}
	t.Cleanup(func() { _ = relayed.Close() })
	if got := relayed.LocalAddr().(*net.UDPAddr).Port; got != taken+1 {
		t.Errorf("relayed port = %d, want %d", got, taken+1)
	}
}

func TestQuotas(t *testing.T) {
	server, addr := serve(t, Config{MaxAllocationsPerUser: 2, MaxAllocations: 3})
	allocate(t, addr, "alice", "secret")
	allocate(t, addr, "alice", "secret")
	refused(t, newClient(t, addr, "alice", "secret"), "486")
	allocate(t, addr, "bob", "secret")
	refused(t, newClient(t, addr, "bob", "secret"), "508")
	stats := server.Stats()
	if stats.Refusals["user-quota"] != 1 || stats.Refusals["capacity"] != 1 || stats.Allocations != 3 {
		t.Errorf("stats = %+v, want one user-quota, one capacity, three allocations", stats)
	}
}

func TestSeveralListenersShareTheRelay(t *testing.T) {
	server, first := serve(t, Config{})
	conn := listen(t)
	done := make(chan error, 1)
	go func() { done <- server.Serve(struct{ net.PacketConn }{conn}) }() // which its owner may close

	alice, aliceClient := allocate(t, first, "alice", "secret")
	bob, bobClient := allocate(t, conn.LocalAddr().String(), "bob", "secret")
	permit(t, aliceClient, bob.LocalAddr())
	permit(t, bobClient, alice.LocalAddr())
	send(t, alice, []byte("across"), bob.LocalAddr())
	expect(t, bob, []byte("across"), alice.LocalAddr())

	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), conn.LocalAddr().String()) {
		t.Errorf("Serve of a socket closed by its owner returned %v, want an error that names it", err)
	}
	eventually(t, server, "the allocations of that socket to end", func(s Stats) bool { return s.Allocations == 1 })
}

func permit(t *testing.T, client *turn.Client, peer net.Addr) {
	t.Helper()
	if err := client.CreatePermission(peer); err != nil {
		t.Fatalf("CreatePermission %v: %v", peer, err)
	}
}

// refused fails the test unless an Allocate is answered with this error code.
func refused(t *testing.T, client *turn.Client, code string) {
	t.Helper()
	relayed, err := client.Allocate()
	if err == nil {
		_ = relayed.Close()
		t.Fatalf("Allocate succeeded, want %s", code)
	}
	if !strings.Contains(err.Error(), code) {
		t.Errorf("Allocate: %v, want %s", err, code)
	}
}

// silent fails the test if something arrives within a moment.
func silent(t *testing.T, conn net.PacketConn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, from, err := conn.ReadFrom(make([]byte, 2048))
	if err == nil {
		t.Errorf("got %d bytes from %v, want silence", n, from)
	}
}

// freePort returns a UDP port that was free a moment ago.
func freePort(t *testing.T) uint16 {
	t.Helper()
	conn := listen(t)
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}
