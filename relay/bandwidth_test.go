package relay

import (
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"
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

// limits are the ways to hold two allocations of one address to the limit together, by name, and what is dropped as.
var limits = map[string]struct {
	cfg  Config
	drop string
}{
	"an allocation": {Config{BitsPerAllocation: limit / 2}, "rate"},
	"an address":    {Config{BitsPerAddress: limit}, "bandwidth"},
	"all":           {Config{Bits: limit}, "total-rate"},
}

func TestBandwidthOfDatagrams(t *testing.T) {
	for of, test := range limits {
		for name, directions := range map[string][2]bool{
			"to peers": {true, false}, "from peers": {false, true}, "both ways together": {true, true},
		} {
			t.Run(of+", "+name, func(t *testing.T) {
				t.Parallel()
				cfg := test.cfg
				cfg.AllowLoopback = true
				server, addr := serve(t, cfg)
				relayed, _ := allocate(t, addr, "alice", "secret")
				other, _ := allocate(t, addr, "bob", "secret")
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
					flood(t, peer, other.LocalAddr())
				}
				eventually(t, server, "the end of the burst", func(s Stats) bool { return s.Drops[test.drop] > 500 })
				holds(t, &arrived)
			})
		}
	}
}

// holds fails the test unless what arrives from now on is within 5 % of the limit: never more, and no less while the
// machine has time for it.
func holds(t *testing.T, arrived *atomic.Int64) {
	t.Helper()
	var bits float64
	for range 10 {
		began, before := time.Now(), arrived.Load()
		time.Sleep(2 * time.Second)
		bits = float64(arrived.Load()-before) * 8 / time.Since(began).Seconds()
		t.Logf("%.0f bits in a second of %d", bits, limit)
		if bits > limit*0.95 {
			break
		}
	}
	if math.Abs(bits-limit) > limit/20 {
		t.Errorf("%.0f bits in a second arrive, want %d within 5 %%", bits, limit)
	}
}

func TestBandwidthOfStreams(t *testing.T) {
	for of, test := range limits {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			cfg := tcpConfig()
			cfg.BitsPerAllocation, cfg.BitsPerAddress, cfg.Bits = test.cfg.BitsPerAllocation, test.cfg.BitsPerAddress, test.cfg.Bits
			server := newServer(t, cfg)
			t.Cleanup(func() { _ = server.Close() })
			addr := startStreams(t, "127.0.0.1", server.ServeTCP)
			var arrived atomic.Int64
			var ends sync.WaitGroup
			t.Cleanup(ends.Wait)
			for range 2 {
				c, _ := newController(t, addr, true)
				there := accepting(t)
				connected := c.signed(stun.MethodConnect, tcpPeer(there.Addr()))
				id, err := connected.Get(stun.AttrConnectionID)
				if err != nil {
					t.Fatalf("Connect: %d, %v", codeOf(connected), err)
				}
				peer, err := there.Accept()
				if err != nil {
					t.Fatal(err)
				}
				data := c.bind(id, "")
				for _, conn := range []net.Conn{peer, data.Conn} { // as fast as it goes, both ways
					ends.Go(func() { _, _ = io.Copy(conn, zeros{}) })
					ends.Go(func() { _, _ = io.Copy(count{&arrived}, conn) })
				}
				t.Cleanup(func() { _, _ = peer.Close(), data.Close() })
			}
			eventually(t, server, "the end of the burst", func(s Stats) bool { return s.ToPeers.Bytes+s.FromPeers.Bytes > limit/8 })
			holds(t, &arrived)
		})
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// count counts what is written.
type count struct{ total *atomic.Int64 }

func (c count) Write(p []byte) (int, error) { c.total.Add(int64(len(p))); return len(p), nil }

func TestWithoutALimitNothingIsHeldBack(t *testing.T) {
	server, addr := serve(t, Config{AllowLoopback: true})
	relayed, _ := allocate(t, addr, "alice", "secret")
	peer := listen(t)
	send(t, relayed, []byte("first"), peer.LocalAddr())
	expect(t, peer, []byte("first"), relayed.LocalAddr())
	flood(t, relayed, peer.LocalAddr())
	eventually(t, server, "three times the other tests' limit", func(s Stats) bool { return s.ToPeers.Bytes > 3*limit/8 })
	if drops := server.Stats().Drops; len(drops) != 0 {
		t.Errorf("drops = %v, want none", drops)
	}
}
