package relay

import (
	"net"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v3"
)

// secure does a DTLS handshake from a socket, without owning it.
func secure(t *testing.T, socket net.PacketConn, to net.Addr) net.Conn {
	t.Helper()
	config := trusting()
	conn, err := dtls.ClientWithOptions(socket, to, dtls.WithRootCAs(config.RootCAs), dtls.WithServerName(config.ServerName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return conn
}

// allocated makes an allocation over a connection.
func allocated(t *testing.T, conn net.Conn) *requester {
	t.Helper()
	r := &requester{t: t, conn: conn}
	r.as("alice", "secret")
	if err := r.nonce.GetFrom(r.exchange(stun.MethodAllocate, transportUDP)); err != nil {
		t.Fatal(err)
	}
	if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	return r
}

// RFC 6347 section 4.2.8: a client that has lost its session comes again from the same address and port.
func TestADTLSClientThatStartsAnewIsServed(t *testing.T) {
	server := newServer(t, both())
	to, err := net.ResolveUDPAddr("udp4", startAt(t, server, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	socket := listenAt(t, "127.0.0.1")
	allocated(t, secure(t, socket, to))
	for range 2 {
		addr := socket.LocalAddr().String()
		_ = socket.Close() // without a word to the server
		if socket, err = net.ListenPacket("udp4", addr); err != nil {
			t.Skipf("somebody else has the port now: %v", err)
		}
		defer func() { _ = socket.Close() }()
		began := time.Now()
		r := allocated(t, secure(t, socket, to))
		if took := time.Since(began); took > patience {
			t.Errorf("it took %v", took)
		}
		eventually(t, server, "the end of the old session", func(s Stats) bool { return s.Connections == 1 && s.Allocations == 1 })
		if got := codeOf(r.request(stun.MethodRefresh)); got != 0 {
			t.Errorf("Refresh: %d", got)
		}
	}
}

// Whoever sends a ClientHello in the name of another ends nothing, and leaves nothing.
func TestASpoofedClientHelloEndsNoSession(t *testing.T) {
	server := newServer(t, both())
	to, err := net.ResolveUDPAddr("udp4", startAt(t, server, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	socket := listenAt(t, "127.0.0.1")
	r := allocated(t, secure(t, socket, to))
	hello := clientHello(t)
	for i := range 20 {
		send(t, socket, hello, to) // as if from there
		if got := codeOf(r.request(stun.MethodRefresh)); got != 0 {
			t.Fatalf("Refresh %d: %d", i, got)
		}
	}
	// What is not finished ends in time, and the client goes on meanwhile.
	for deadline := time.Now().Add(4 * patience); server.Stats().Drops["dtls-handshake-timeout"] == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it has not ended: %+v", server.Stats())
		}
	}
	if got := codeOf(r.request(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh after it: %d", got)
	}
	if stats := server.Stats(); stats.Connections != 1 || stats.Allocations != 1 {
		t.Errorf("stats = %+v, want one connection and one allocation", stats)
	}
}
