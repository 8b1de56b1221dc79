package relay

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

// startWide makes a server serve UDP on every address of this host until the test ends, and returns the port.
func startWide(t *testing.T, server *Server, listen string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", listen)
	if err != nil {
		t.Fatal(err)
	}
	done := served(t, server, conn)
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v, want ErrServerClosed", err)
		}
	})
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	return port
}

// A client takes answers only from the address it has asked, of whichever the host has.
func TestAListenerOfEveryAddressAnswersFromTheOneItWasAskedAt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems choose the address themselves")
	}
	for listen, hosts := range map[string][]string{
		"0.0.0.0:0": {"127.0.0.1", "127.0.0.2", "127.1.2.3"},
		"[::]:0":    {"127.0.0.1", "127.0.0.2", "::1"},
	} {
		server := newServer(t, both())
		port := startWide(t, server, listen)
		for _, host := range hosts {
			addr := net.JoinHostPort(host, port)
			t.Run(fmt.Sprintf("%s of %s over UDP", addr, listen), func(t *testing.T) {
				conn, err := net.Dial("udp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				r := &requester{t: t, conn: conn}
				r.as("alice", "secret")
				if err := r.nonce.GetFrom(r.exchange(stun.MethodAllocate, transportUDP)); err != nil {
					t.Fatal(err)
				}
				if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
					t.Fatalf("Allocate: %d", got)
				}
				if got := codeOf(r.request(stun.MethodRefresh)); got != 0 {
					t.Errorf("Refresh: %d", got)
				}
			})
			t.Run(fmt.Sprintf("%s of %s over DTLS", addr, listen), func(t *testing.T) {
				conn, err := dialDTLS(addr)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				r := &requester{t: t, conn: conn}
				r.as("alice", "secret")
				if got := codeOf(r.exchange(stun.MethodAllocate, transportUDP)); got != stun.CodeUnauthorized {
					t.Errorf("Allocate: %d, want 401", got)
				}
			})
		}
	}
}

// One port of a client has an allocation at each address of the relay.
func TestEachAddressOfAListenerIsAFiveTuple(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems do not tell the address")
	}
	server := newServer(t, both())
	port := startWide(t, server, "0.0.0.0:0")
	client := listenAt(t, "127.0.0.1")
	for i, host := range []string{"127.0.0.1", "127.0.0.2"} {
		to, err := net.ResolveUDPAddr("udp4", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		r := &requester{t: t, conn: towards{client, to}}
		r.as("alice", "secret")
		if err := r.nonce.GetFrom(r.exchange(stun.MethodAllocate, transportUDP)); err != nil {
			t.Fatal(err)
		}
		if got := codeOf(r.request(stun.MethodAllocate, transportUDP)); got != 0 {
			t.Errorf("Allocate at %s: %d", host, got)
		}
		if got := server.Stats().Allocations; got != i+1 {
			t.Errorf("%d allocations, want %d", got, i+1)
		}
	}
}

// towards is a socket with one partner; what comes from elsewhere is an error.
type towards struct {
	net.PacketConn
	to *net.UDPAddr
}

func (c towards) RemoteAddr() net.Addr        { return c.to }
func (c towards) Write(p []byte) (int, error) { return c.WriteTo(p, c.to) }

func (c towards) Read(p []byte) (int, error) {
	n, from, err := c.ReadFrom(p)
	if err == nil && !strings.HasPrefix(from.String(), c.to.String()) {
		err = fmt.Errorf("from %v, want %v", from, c.to)
	}
	return n, err
}
