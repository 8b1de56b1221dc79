package relay

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestASocketForBothFamilies(t *testing.T) {
	conn, err := net.ListenPacket("udp", "[::]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	server := newServer(t, Config{AllowLoopback: true})
	done := served(t, server, conn)
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v, want ErrServerClosed", err)
		}
	})
	_, port, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", port)
	relayed, _ := allocate(t, addr, "alice", "secret")
	peer := echo(t)
	send(t, relayed, []byte("hello"), peer)
	expect(t, relayed, []byte("hello"), peer)
	if got := codeOf(newRequester(t, addr, "alice", "secret").request(stun.MethodRefresh)); got != stun.CodeAllocMismatch {
		t.Errorf("Refresh without an allocation: %d, want 437", got)
	}
}

// Clients come, talk to each other and go, and the server closes in the middle of it.
func TestClosingUnderLoadLeavesNothing(t *testing.T) {
	leaktest.Check(t)
	server, addr := serve(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	peers := make(chan net.Addr, 8)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for ctx.Err() == nil {
				visit(addr, peers)
			}
		})
	}
	<-ctx.Done()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	stats := server.Stats()
	if stats.Allocations != 0 || stats.AllocationsTotal == 0 {
		t.Errorf("stats = %+v, want none live of several", stats)
	}
	clients.Wait()
}

// visit makes an allocation, sends something to the one made before and ends it. Failing is fine:
// the server may be gone.
func visit(addr string, peers chan net.Addr) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: addr, Conn: conn, Username: "alice", Password: "secret", RTO: time.Millisecond,
	})
	if err != nil {
		return
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		return
	}
	relayed, err := client.Allocate()
	if err != nil {
		return
	}
	defer func() { _ = relayed.Close() }()
	select {
	case peer := <-peers:
		for range 20 {
			if _, err := relayed.WriteTo(make([]byte, 500), peer); err != nil {
				return
			}
		}
	default:
	}
	select {
	case peers <- relayed.LocalAddr():
	default:
	}
}
