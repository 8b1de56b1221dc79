package relay

import (
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	limit  = 4_000_000 // bits in a second
	packet = 1000      // bytes
)

// flood sends about four times the limit from one place to another until the test ends.
func flood(t *testing.T, conn net.PacketConn, to net.Addr) {
	t.Helper()
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		p := make([]byte, packet)
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			for range limit * 4 / 8 / packet / 200 {
				_, _ = conn.WriteTo(p, to) // what is lost is too much anyway
			}
		}
	})
	t.Cleanup(func() { close(stop); group.Wait() })
}

// meter counts the bytes that arrive until conn is closed.
func meter(conn net.PacketConn, total *atomic.Int64) {
	buf := make([]byte, 2048)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		total.Add(int64(n))
	}
}

func TestAnAddressHasItsBandwidth(t *testing.T) {
	for name, directions := range map[string][2]bool{
		"to peers": {true, false}, "from peers": {false, true}, "both ways together": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, addr := serve(t, Config{AllowLoopback: true, BitsPerAddress: limit})
			relayed, _ := allocate(t, addr, "alice", "secret")
			other, _ := allocate(t, addr, "bob", "secret") // of the same address: it shares the limit
			peer := listen(t)
			send(t, relayed, []byte("first"), peer.LocalAddr()) // for the permission
			expect(t, peer, []byte("first"), relayed.LocalAddr())
			send(t, other, []byte("first"), peer.LocalAddr())
			expect(t, peer, []byte("first"), other.LocalAddr())

			var arrived atomic.Int64
			var meters sync.WaitGroup
			for _, conn := range []net.PacketConn{peer, relayed, other} {
				meters.Go(func() { meter(conn, &arrived) })
			}
			t.Cleanup(func() {
				_, _, _ = peer.Close(), relayed.Close(), other.Close()
				meters.Wait()
			})
			if directions[0] {
				flood(t, relayed, peer.LocalAddr())
				flood(t, other, peer.LocalAddr())
			}
			if directions[1] {
				flood(t, peer, relayed.LocalAddr())
			}
			eventually(t, server, "the end of the burst", func(s Stats) bool { return s.Drops["bandwidth"] > 1000 })
			began, before := time.Now(), arrived.Load()
			time.Sleep(3 * time.Second)
			bits := float64(arrived.Load()-before) * 8 / time.Since(began).Seconds()
			if math.Abs(bits-limit) > limit/10 {
				t.Errorf("%.0f bits in a second arrive, want %d", bits, limit)
			}
			t.Logf("%.0f bits in a second of %d", bits, limit)
		})
	}
}

func TestWithoutALimitNothingIsHeldBack(t *testing.T) {
	server, addr := serve(t, Config{AllowLoopback: true})
	relayed, _ := allocate(t, addr, "alice", "secret")
	peer := listen(t)
	send(t, relayed, []byte("first"), peer.LocalAddr())
	expect(t, peer, []byte("first"), relayed.LocalAddr())
	flood(t, relayed, peer.LocalAddr())
	eventually(t, server, "three times the other tests' limit", func(s Stats) bool { return s.ToPeers.Bytes > 3*limit/8 })
	if dropped := server.Stats().Drops["bandwidth"]; dropped != 0 {
		t.Errorf("%d packets were dropped", dropped)
	}
}
