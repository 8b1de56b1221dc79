package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/pion/stun/v3"
)

func TestEndedTellsWhatAnAllocationRelayed(t *testing.T) {
	var mu sync.Mutex
	var ended []Allocation
	var server *Server
	cfg := Config{AllowLoopback: true, Ended: func(a Allocation) {
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, a)
		server.Stats() // no lock is held
	}}
	server = newServer(t, cfg)
	addr := start(t, server)
	relayed, _ := allocate(t, addr, "alice", "secret")
	peer := echo(t)
	for range 3 {
		send(t, relayed, []byte("hello"), peer)
		expect(t, relayed, []byte("hello"), peer)
	}
	live := server.Allocations(0, 10)
	if len(live) != 1 || live[0].User != "alice" || !live[0].Ended.IsZero() || live[0].Reason != "" || live[0].ToPeers.Bytes != 15 {
		t.Errorf("live are %+v", live)
	}
	if n := server.Revoke("alice"); n != 1 {
		t.Fatalf("%d ended", n)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ended) != 1 {
		t.Fatalf("told of %+v", ended)
	}
	got := ended[0]
	want := Traffic{Packets: 3, Bytes: 15}
	if got.User != "alice" || got.Username != "alice" || got.ToPeers != want || got.FromPeers != want || got.Client.Transport != "udp" || got.TCP || got.Reason != "revoked" {
		t.Errorf("told of %+v", got)
	}
	if len(got.Relayed) != 1 || got.Relayed[0].String() != relayed.LocalAddr().String() {
		t.Errorf("relayed %v, want %v", got.Relayed, relayed.LocalAddr())
	}
	if got.Began.IsZero() || got.Ended.Before(got.Began) || !got.Client.Addr.Addr().IsLoopback() || got.ID != live[0].ID {
		t.Errorf("told of %+v", got)
	}
}

func TestAllocationsComeInPages(t *testing.T) {
	server, addr := serve(t, Config{})
	for range 5 {
		allocate(t, addr, "alice", "secret")
	}
	var ids []uint64
	for after, pages := uint64(0), 0; ; pages++ {
		page := server.Allocations(after, 2)
		if len(page) == 0 {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
		for _, a := range page {
			ids = append(ids, a.ID)
		}
		after = ids[len(ids)-1]
	}
	if fmt.Sprint(ids) != "[1 2 3 4 5]" {
		t.Errorf("got %v", ids)
	}
}

func TestTheProberIsOnItsOwn(t *testing.T) {
	server, addr := serve(t, Config{MaxAllocationsPerUser: 1, Ended: func(a Allocation) { t.Errorf("told of %+v", a) }})
	for range 3 { // what one has left behind does not stand in the next one's way
		username, password := server.Prober()
		if got := codeOf(newRequester(t, addr, username, password).request(stun.MethodAllocate, transportUDP)); got != 0 {
			t.Fatalf("Allocate: %d", got)
		}
	}
	if got := server.Allocations(0, 10); len(got) != 0 {
		t.Errorf("it is listed: %+v", got)
	}
	other, _ := serve(t, Config{})
	name, _ := server.Prober()
	if otherName, _ := other.Prober(); otherName == name {
		t.Error("two servers have the same prober")
	}
}

func TestAPortRangeThatRunsOutIsCounted(t *testing.T) {
	server, addr := serve(t, Config{MinPort: 23110, MaxPort: 23112})
	full := func() PortStats { return server.Stats().Ports[0] }
	if got := full(); got != (PortStats{"udp", "ipv4", 0, 3}) {
		t.Errorf("before: %+v", got)
	}
	refusals := 0
	var clients []*requester
	for range 4 {
		r := newRequester(t, addr, "alice", "secret")
		switch got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got {
		case 0:
			clients = append(clients, r)
		case stun.CodeInsufficientCapacity:
			refusals++
		default:
			t.Fatalf("Allocate: %d", got)
		}
	}
	stats := server.Stats()
	if len(clients) == 0 || refusals == 0 || int(stats.Refusals["no-port"]) != refusals || stats.Ports[0].InUse != len(clients) {
		t.Errorf("%d allocations and %d refusals; stats are %+v", len(clients), refusals, stats)
	}
	if got := stats.Transports["udp"]; got != (TransportStats{Live: len(clients), Total: uint64(len(clients))}) {
		t.Errorf("transports: %+v", stats.Transports)
	}
	clients[0].request(stun.MethodRefresh, attribute(stun.AttrLifetime, 0, 0, 0, 0))
	eventually(t, server, "a port to be free", func(s Stats) bool {
		return s.Ports[0].InUse == len(clients)-1 && s.Transports["udp"].Live == len(clients)-1
	})
}

func TestTheKernelsDropsAreCounted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	server := newServer(t, Config{})
	conn := listen(t).(*net.UDPConn)
	if err := conn.SetReadBuffer(1); err != nil {
		t.Fatal(err)
	}
	slow := &slowConn{UDPConn: conn, gate: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(slow) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
	out := listen(t)
	for range 100 {
		if _, err := out.WriteTo(make([]byte, 1000), conn.LocalAddr()); err != nil && !errors.Is(err, syscall.ENOBUFS) {
			t.Fatal(err)
		}
	}
	eventually(t, server, "drops of a listener", func(s Stats) bool { return s.KernelDrops > 0 })
	lost := server.Stats().KernelDrops
	close(slow.gate)
	if got := server.Stats().KernelDrops; got < lost {
		t.Errorf("%d drops after %d", got, lost)
	}
}

// slowConn is a socket that is not read before its gate opens, and whose buffer stays as small as it is.
type slowConn struct {
	*net.UDPConn
	gate chan struct{}
}

func (c *slowConn) SetReadBuffer(int) error { return nil }

func (c *slowConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	<-c.gate
	return c.UDPConn.ReadFromUDPAddrPort(p)
}

func (c *slowConn) Close() error {
	select {
	case <-c.gate:
	default:
		close(c.gate) // the test has failed
	}
	return c.UDPConn.Close()
}
