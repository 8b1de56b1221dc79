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
	limit   = 4_000_000 // bits in a second
	payload = 1000      // bytes
)

// flood sends about twice the limit until the test ends.
func flood(t *testing.T, send func(p []byte)) {
	t.Helper()
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		p := make([]byte, 4+payload) // behind the header of ChannelData
		p[0], p[2], p[3] = 0x40, payload>>8, payload&0xff
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			for range limit * 2 / 8 / payload / 200 {
				send(p)
			}
		}
	})
	t.Cleanup(func() { close(stop); group.Wait() })
}

// meter counts the bytes of packets that arrive until reading fails.
func meter(read func(p []byte) (int, error), total *atomic.Int64) {
	buf := make([]byte, 2048)
	for {
		n, err := read(buf)
		if err != nil {
			return
		}
		if n >= payload {
			total.Add(payload)
		}
	}
}

// channel returns a client's socket and its relayed address, with the peer as channel 0x4000.
func channel(t *testing.T, server, user string, to net.Addr) (net.Conn, net.Addr) {
	t.Helper()
	r := newRequester(t, server, user, "secret")
	response := r.request(stun.MethodAllocate, transportUDP)
	if got := codeOf(response); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	number := attribute(stun.AttrChannelNumber, 0x40, 0, 0, 0)
	if got := codeOf(r.request(stun.MethodChannelBind, number, peer(to.(*net.UDPAddr).AddrPort()))); got != 0 {
		t.Fatalf("ChannelBind: %d", got)
	}
	_ = r.conn.SetDeadline(time.Time{})
	relayed := xored(t, response, stun.AttrXORRelayedAddress)
	return r.conn, &net.UDPAddr{IP: relayed.IP, Port: relayed.Port}
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
				cfg := test.cfg
				cfg.AllowLoopback = true
				server, addr := serve(t, cfg)
				there := listen(t)
				var arrived atomic.Int64
				var meters sync.WaitGroup
				t.Cleanup(meters.Wait)
				meters.Go(func() {
					meter(func(p []byte) (int, error) { n, _, err := there.ReadFrom(p); return n, err }, &arrived)
				})
				t.Cleanup(func() { _ = there.Close() })
				for _, user := range []string{"alice", "bob"} {
					conn, relayed := channel(t, addr, user, there.LocalAddr())
					meters.Go(func() { meter(conn.Read, &arrived) })
					t.Cleanup(func() { _ = conn.Close() })
					if directions[0] {
						flood(t, func(p []byte) { _, _ = conn.Write(p) })
					}
					if directions[1] {
						flood(t, func(p []byte) { _, _ = there.WriteTo(p[4:], relayed) })
					}
				}
				eventually(t, server, "the end of the burst", func(s Stats) bool { return s.Drops[test.drop] > 200 })
				holds(t, &arrived)
			})
		}
	}
}

// holds fails the test unless what arrives from now on is within 5 % of the limit, once the machine has time for it.
func holds(t *testing.T, arrived *atomic.Int64) {
	t.Helper()
	for range 10 {
		began, before := time.Now(), arrived.Load()
		time.Sleep(2 * time.Second)
		bits := float64(arrived.Load()-before) * 8 / time.Since(began).Seconds()
		t.Logf("%.0f bits in a second of %d", bits, limit)
		if math.Abs(bits-limit) <= limit/20 {
			return
		}
	}
	t.Error("not within 5 % of the limit")
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
				if err := data.SetDeadline(time.Time{}); err != nil { // that of its last answer
					t.Fatal(err)
				}
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
	there := listen(t)
	conn, _ := channel(t, addr, "alice", there.LocalAddr())
	flood(t, func(p []byte) { _, _ = conn.Write(p) })
	eventually(t, server, "one and a half times the other tests' limit", func(s Stats) bool { return s.ToPeers.Bytes > limit*3/2/8 })
	if drops := server.Stats().Drops; len(drops) != 0 {
		t.Errorf("drops = %v, want none", drops)
	}
}
