package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestNewPeersAreBounded(t *testing.T) {
	server, addr := serve(t, Config{NewPeers: 5, NewPeersPerSecond: 1})
	r := newRequester(t, addr, "alice", "secret")
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	made := 0
	for i := range 50 {
		ip := binary.BigEndian.AppendUint32(nil, 8<<24+uint32(i))
		to := peer(netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip)), 1))
		switch got := codeOf(r.request(stun.MethodCreatePermission, to)); got {
		case 0:
			made++
		case stun.CodeInsufficientCapacity:
		default:
			t.Fatalf("peer %d: %d, want 508", i, got)
		}
	}
	if made < 5 || made > 15 { // one more for each second that this takes
		t.Errorf("%d peers, want about 5", made)
	}
	if got := server.Stats().Refusals["peer-rate"]; got != uint64(50-made) {
		t.Errorf("%d refusals as peer-rate, want %d", got, 50-made)
	}
}

func TestTheTimeToAuthenticateIsConfigured(t *testing.T) {
	cfg := both()
	cfg.AuthTimeout = time.Second
	server := newServer(t, cfg)
	t.Cleanup(func() { _ = server.Close() })
	began := time.Now()
	conn, err := net.Dial("tcp", startStreams(t, "127.0.0.1", server.ServeTCP))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	closedSoon(t, conn)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %v, want a second", took)
	}
}

func TestHandshakesAreBounded(t *testing.T) {
	cfg := both()
	cfg.MaxHandshakes, cfg.AuthTimeout = 3, 3*time.Second
	server := newServer(t, cfg)
	addr := startAt(t, server, "127.0.0.1")
	to, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	hello := clientHello(t)
	for range 10 {
		send(t, listen(t), hello, to)
	}
	eventually(t, server, "those that are not begun", func(s Stats) bool { return s.Drops["dtls-half-open"] > 0 })
	eventually(t, server, "the end of the others", func(s Stats) bool {
		return s.Drops["dtls-half-open"]+s.Drops["dtls-handshake-timeout"] == 10
	})
	conn, err := dialDTLS(addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
