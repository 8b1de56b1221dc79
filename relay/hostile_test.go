package relay

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/internal/leaktest"
)

// descriptors returns how many file descriptors are open, or skips the test where that cannot be told.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of file descriptors here: %v", err)
	}
	return len(entries)
}

// settled waits until as many file descriptors are open as before, or fewer.
func settled(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(patience); descriptors(t) > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%d file descriptors are open, before it were %d", descriptors(t), before)
			return
		}
	}
}

// crowd does something many times, some at once.
func crowd(n int, do func()) {
	var group sync.WaitGroup
	work := make(chan struct{})
	for range 50 {
		group.Go(func() {
			for range work {
				do()
			}
		})
	}
	for range n {
		work <- struct{}{}
	}
	close(work)
	group.Wait()
}

func TestSilentConnectionsAreGoneInTime(t *testing.T) {
	server := newServer(t, both())
	t.Cleanup(func() { _ = server.Close() })
	plain, secure := startStreams(t, "127.0.0.1", server.ServeTCP), startStreams(t, "127.0.0.1", server.ServeTLS)
	time.Sleep(10 * time.Millisecond)
	before, goroutines := descriptors(t), runtime.NumGoroutine()
	const each = 150
	var conns []net.Conn
	began := time.Now()
	for range each {
		for _, addr := range []string{plain, secure} {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		slow, err := net.Dial("tcp", plain) // one that says something, and never enough
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(slow, "\x00"); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, slow)
	}
	eventually(t, server, "all connections", func(s Stats) bool { return s.Connections == 3*each })
	for _, conn := range conns {
		if err := conn.SetReadDeadline(began.Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errorIsTimeout(err) {
			t.Fatal("a connection is still open after 20 s")
		}
		_ = conn.Close()
	}
	if took := time.Since(began); took < 9*time.Second {
		t.Errorf("they were closed after %v, want 10 s", took)
	}
	eventually(t, server, "no connection", func(s Stats) bool { return s.Connections == 0 })
	if drops := server.Stats().Drops; drops["unauthenticated-connection"] != each || drops["half-message"] != each || drops["tls-handshake-timeout"] != each {
		t.Errorf("drops = %v, want %d of each: unauthenticated-connection, half-message, tls-handshake-timeout", drops, each)
	}
	settled(t, before)
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > goroutines+2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines run, before it were %d", runtime.NumGoroutine(), goroutines)
		}
	}
}

func TestGarbageHandshakesLeaveNoDescriptors(t *testing.T) {
	server := newServer(t, both())
	t.Cleanup(func() { _ = server.Close() })
	secure := startStreams(t, "127.0.0.1", server.ServeTLS)
	time.Sleep(10 * time.Millisecond)
	before := descriptors(t)
	garbage := make([]byte, 300)
	copy(garbage, "\x16\x03\x01\x01\x27\x01")
	crowd(1000, func() {
		conn, err := net.Dial("tcp", secure)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = conn.Write(garbage)
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	})
	eventually(t, server, "1000 failed handshakes", func(s Stats) bool { return s.Drops["tls-handshake"] == 1000 && s.Connections == 0 })
	settled(t, before)
}

func TestConnectionsOfASourceAreBounded(t *testing.T) {
	cfg := both()
	cfg.MaxConnectionsPerSource = 3
	server := newServer(t, cfg)
	t.Cleanup(func() { _ = server.Close() })
	addr := startStreams(t, "127.0.0.1", server.ServeTCP)
	var conns []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		conns = append(conns, conn)
	}
	eventually(t, server, "three connections", func(s Stats) bool { return s.Connections == 3 })
	fourth, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fourth.Close() }()
	closedSoon(t, fourth)
	if drops := server.Stats().Drops; drops["connections"] != 1 {
		t.Errorf("drops = %v, want one as connections", drops)
	}
	_ = conns[0].Close()
	eventually(t, server, "room for another", func(s Stats) bool { return s.Connections == 2 })
	if _, err := net.Dial("tcp", addr); err != nil {
		t.Error(err)
	}
	eventually(t, server, "another", func(s Stats) bool { return s.Connections == 3 })
}

// A client that does not read loses what is sent to it, and costs nobody else.
func TestAClientThatNeverReadsCostsOnlyItself(t *testing.T) {
	cfg := both()
	cfg.AllowLoopback = true
	server := newServer(t, cfg)
	t.Cleanup(func() { _ = server.Close() })
	stuck, _ := newController(t, startStreams(t, "127.0.0.1", server.ServeTCP), false)
	response := stuck.signed(stun.MethodAllocate, transportUDP)
	if got := codeOf(response); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	relayed := xored(t, response, stun.AttrXORRelayedAddress)
	from := listen(t)
	if got := codeOf(stuck.signed(stun.MethodCreatePermission, peer(from.LocalAddr().(*net.UDPAddr).AddrPort()))); got != 0 {
		t.Fatalf("CreatePermission: %d", got)
	}
	other, _ := open(t, server, "TCP", "127.0.0.1", "bob")
	echoing := echo(t)
	send(t, other, []byte("bind"), echoing)
	expect(t, other, []byte("bind"), echoing)

	before := memory()
	flood := make([]byte, 1400)
	deadline := time.Now().Add(4 * patience)
	for server.Stats().Drops["client-queue-full"] < 1000 {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is dropped: %+v", server.Stats())
		}
		for range 100 {
			send(t, from, flood, &net.UDPAddr{IP: relayed.IP, Port: relayed.Port})
		}
		p := []byte("meanwhile")
		send(t, other, p, echoing)
		expect(t, other, p, echoing)
	}
	if grown := memory() - before; grown > 8<<20 {
		t.Errorf("%d bytes more are in use", grown)
	}
}

// memory returns the bytes in use.
func memory() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapInuse)
}

func TestHalfDTLSHandshakesAreBoundedAndEnd(t *testing.T) {
	leaktest.Check(t)
	server := newServer(t, both())
	addr := startAt(t, server, "127.0.0.1")
	to, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	hello := clientHello(t)
	var socks []net.PacketConn
	for range 300 {
		conn := listen(t)
		send(t, conn, hello, to)
		socks = append(socks, conn)
	}
	// The first answer comes, from which alone nothing follows.
	buf := make([]byte, 2048)
	for _, conn := range socks[:1] {
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if n, _, err := conn.ReadFrom(buf); err != nil || n < 14 || buf[13] != 3 {
			t.Errorf("got % x, %v, want HelloVerifyRequest", buf[:n], err)
		}
	}
	send(t, socks[0], []byte("\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x01\x00\x01x"), to) // data before the handshake is done
	alone := listen(t)
	send(t, alone, []byte("\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x01\x00\x01x"), to)
	eventually(t, server, "data without a session to be dropped", func(s Stats) bool { return s.Drops["dtls-no-session"] == 1 })
	conn, err := dialDTLS(addr)
	if err != nil {
		t.Fatalf("beside %d half-open handshakes: %v", len(socks), err)
	}
	_ = conn.Close()
	for deadline := time.Now().Add(4 * patience); server.Stats().Drops["dtls-handshake-timeout"] < uint64(len(socks)); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("they have not ended: %+v", server.Stats())
		}
	}
}

// clientHello returns the first datagram of a DTLS client.
func clientHello(t *testing.T) []byte {
	t.Helper()
	sink := listen(t)
	go func() {
		if conn, err := dialDTLS(sink.LocalAddr().String()); err == nil {
			_ = conn.Close()
		}
	}()
	buf := make([]byte, 2048)
	if err := sink.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, from, err := sink.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	// A fatal alert, so that the client gives up.
	_, _ = sink.WriteTo([]byte("\x15\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x02\x28"), from)
	return buf[:n]
}

func TestATLSClientWithoutAWordOfTURNIsHungUpOn(t *testing.T) {
	server := newServer(t, both())
	t.Cleanup(func() { _ = server.Close() })
	conn, err := tls.Dial("tcp", startStreams(t, "127.0.0.1", server.ServeTLS), trusting())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	closedSoon(t, conn)
	eventually(t, server, "a drop as http", func(s Stats) bool { return s.Drops["http"] == 1 })
}
