package oneport

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/daemon"
)

func TestEverythingOverOnePort(t *testing.T) {
	s := serve(t, Config{TLS: serverTLS()}, true, nil)
	a, b, c := allocate(t, dial(t, s.addr)), allocate(t, dialTLS(t, s.addr)), allocate(t, dialTLS(t, s.addr, "stun.turn"))
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			client := http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS()}}
			defer client.CloseIdleConnections()
			for range 50 {
				res, err := client.Get("https://" + s.addr + "/")
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != 200 || !strings.HasPrefix(string(body), "true ") {
					t.Errorf("got %s %q, %v", res.Status, body, err)
					return
				}
			}
		})
	}
	exchange(t, a, b, 50)
	exchange(t, b, c, 50)
	asking.Wait()
	if got := s.Stats().Accepted; got["turn"] != 1 || got["turns"] != 2 || got["https"] < 1 || got["https"] > 4 {
		t.Errorf("accepted %v", got)
	}
	if got := s.relay.Stats(); got.Connections != 3 || got.Allocations != 3 {
		t.Errorf("the relay has %d connections and %d allocations", got.Connections, got.Allocations)
	}
}

func TestPlainHTTPWhereThereIsTLS(t *testing.T) {
	from := func(local string) *http.Transport {
		return &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}).DialContext}
	}
	s := serve(t, Config{TLS: serverTLS()}, false, nil)
	status, _, header := s.ask(t, "http://"+s.addr+"/room?x=1", from("127.0.0.1"))
	if want := "https://" + s.addr + "/room?x=1"; status != http.StatusPermanentRedirect || header.Get("Location") != want {
		t.Errorf("got %d to %q, want 308 to %q", status, header.Get("Location"), want)
	}
	if status, body, _ := s.ask(t, "http://"+s.addr+"/healthz", from("127.0.0.1")); status != 200 || !strings.HasPrefix(body, "false ") {
		t.Errorf("health: %d %q", status, body)
	}
	if status, body, _ := s.ask(t, "http://"+s.addr+"/room", from("127.0.0.9")); status != 200 || !strings.HasPrefix(body, "false ") {
		t.Errorf("from a proxy: %d %q", status, body)
	}
	for name, request := range map[string]string{
		"no host":         "GET / HTTP/1.0\r\n\r\n",
		"a proxy's":       "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n",
		"CONNECT":         "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nConnection: close\r\n\r\n",
		"HTTP/2, at once": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		conn := dial(t, s.addr)
		_, _ = io.WriteString(conn, request)
		if got := ends(t, conn); !strings.HasPrefix(got, "HTTP/1.") || !strings.Contains(got, " 400 ") {
			t.Errorf("%s: got %q, want 400", name, got)
		}
	}
}

func TestWhatIsNotSpoken(t *testing.T) {
	hello := func(t *testing.T, addr string) []byte { // of a real client
		near, far := net.Pipe()
		go func() {
			_ = tls.Client(near, clientTLS()).HandshakeContext(t.Context())
			_ = near.Close()
		}()
		buf := make([]byte, 4096)
		n, err := far.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		_ = far.Close()
		return buf[:n]
	}
	raw := func(text string) func(*testing.T, string) net.Conn {
		return func(t *testing.T, addr string) net.Conn {
			conn := dial(t, addr)
			_, _ = io.WriteString(conn, text)
			return conn
		}
	}
	secured := func(text string) func(*testing.T, string) net.Conn {
		return func(t *testing.T, addr string) net.Conn {
			conn := dialTLS(t, addr)
			_, _ = io.WriteString(conn, text)
			return conn
		}
	}
	const stun = "\x00\x03\x00\x00\x21\x12\xa4\x42"
	for name, c := range map[string]struct {
		tls, turn bool
		open      func(*testing.T, string) net.Conn
		want      string
	}{
		"nothing":                   {true, true, raw(""), "silent"},
		"garbage":                   {true, true, raw("\xff\xff\xff\xff"), "first-byte"},
		"a digit":                   {true, true, raw("1"), "first-byte"},
		"ChannelData at first":      {true, true, raw("\x40\x00\x00\x00"), "first-byte"},
		"an empty line":             {true, true, raw("\r\nGET / HTTP/1.1\r\n\r\n"), "first-byte"},
		"TLS without a certificate": {false, true, func(t *testing.T, addr string) net.Conn { return raw(string(hello(t, addr)))(t, addr) }, "no-tls"},
		"TURN without a relay":      {true, false, raw(stun), "no-turn"},
		"TURN over TLS without one": {true, false, secured(stun), "no-turn"},
		"one byte of TLS":           {true, true, raw("\x16"), "tls-handshake"},
		"half a handshake":          {true, true, func(t *testing.T, addr string) net.Conn { return raw(string(hello(t, addr)[:60]))(t, addr) }, "tls-handshake"},
		"TLS and garbage":           {true, true, raw("\x16\x03\x01\x00\x05\xff\xff\xff\xff\xff"), "tls-handshake"},
		"nothing within TLS":        {true, true, secured(""), "tls-silent"},
		"garbage within TLS":        {true, true, secured("\xff\xff"), "tls-first-byte"},
		"TLS within TLS":            {true, true, secured("\x16\x03\x01"), "tls-first-byte"},
		"closed before a byte": {true, true, func(t *testing.T, addr string) net.Conn {
			c := dial(t, addr)
			_ = c.(*net.TCPConn).CloseWrite()
			return c
		}, "closed"},
		"closed before one over TLS": {true, true, func(t *testing.T, addr string) net.Conn {
			c := dialTLS(t, addr)
			_ = c.(*tls.Conn).CloseWrite()
			return c
		}, "tls-closed"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Patience: patience}
			if waits := []string{"nothing", "one byte of TLS", "half a handshake", "nothing within TLS"}; slices.Contains(waits, name) {
				cfg.Patience = 4 * time.Second
			}
			if c.tls {
				cfg.TLS = serverTLS()
			}
			s := serve(t, cfg, c.turn, nil)
			if got := ends(t, c.open(t, s.addr)); strings.Contains(got, "HTTP") {
				t.Errorf("it is answered: %q", got)
			}
			eventually(t, c.want+" is counted", func() bool { return s.Stats().Refused[c.want] == 1 })
			if got := s.Stats(); len(got.Refused) != 1 || len(got.Accepted) != 0 {
				t.Errorf("counted %v, want %s alone", got, c.want)
			}
		})
	}
}

// The wait for the first byte, the handshake and the relay's wait for a credential are one.
func TestWhoDawdlesHasTenSecondsInAll(t *testing.T) {
	s := serve(t, Config{TLS: serverTLS()}, true, nil)
	began := time.Now()
	var dawdling sync.WaitGroup
	for name, conn := range map[string]net.Conn{"plain": dial(t, s.addr), "TLS": dialTLS(t, s.addr)} {
		dawdling.Go(func() {
			time.Sleep(5 * time.Second)
			for i := 0; ; i++ { // the beginning of an Allocate, a byte every two seconds
				if _, err := conn.Write([]byte{"\x00\x03\x00\x00\x21\x12\xa4\x42"[min(i, 7)]}); err != nil || i == 7 {
					break
				}
				time.Sleep(2 * time.Second)
			}
			ends(t, conn)
			if took := time.Since(began); took < 9*time.Second || took > 25*time.Second {
				t.Errorf("%s: closed after %v, want 10 s", name, took)
			}
		})
	}
	eventually(t, "both are given to the relay", func() bool { return s.relay.Stats().Connections == 2 })
	eventually(t, "the relay has let them go", func() bool { return s.relay.Stats().Connections == 0 })
	if took := time.Since(began); took < 9*time.Second || took > 14*time.Second { // 15 if each had its own
		t.Errorf("the relay let go after %v, want 10 s", took)
	}
	dawdling.Wait()
}

func TestTheOldestUndecidedMakesRoom(t *testing.T) {
	s := serve(t, Config{Undecided: 3, Patience: patience}, true, nil)
	var silent []net.Conn
	for range 5 {
		silent = append(silent, dial(t, s.addr))
		time.Sleep(time.Millisecond) // in this order
	}
	ends(t, silent[0])
	ends(t, silent[1])
	if status, _, _ := s.ask(t, "http://"+s.addr+"/", &http.Transport{}); status != 200 {
		t.Errorf("who speaks is answered %d", status)
	}
	eventually(t, "three are counted", func() bool { return s.Stats().Refused["crowded"] == 3 })
}

func TestSilentConnectionsHoldNobodyUp(t *testing.T) {
	s := serve(t, Config{TLS: serverTLS(), Patience: 3 * time.Second}, true, nil)
	var silent []net.Conn
	for n := range 300 {
		conn := dial(t, s.addr)
		_, _ = io.WriteString(conn, []string{"", "\x16", "\x16\x03\x01\x02\x00\x01"}[n%3])
		silent = append(silent, conn)
	}
	for range 20 {
		s.ask(t, "https://"+s.addr+"/", &http.Transport{TLSClientConfig: clientTLS()})
	}
	allocate(t, dial(t, s.addr))
	for _, conn := range silent {
		ends(t, conn)
	}
	eventually(t, "all are counted", func() bool {
		got := s.Stats().Refused
		return got["silent"] == 100 && got["tls-handshake"] == 200
	})
}

// What package signaling does with a socket it can only do with a socket.
func TestAPlainConnectionIsPassedOnAsItIs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := New(daemon.LimitConnections(l, 10, nil, "--max-connections", slog.New(slog.DiscardHandler)), Config{})
	done := make(chan error, 1)
	go func() { done <- p.Serve() }()
	defer func() { _ = p.Close(); <-done }()
	client := dial(t, l.Addr().String())
	_, _ = io.WriteString(client, "GET / HTTP/1.1\r\n\r\n")
	conn, err := p.HTTP().Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, is := conn.(interface{ PlainTCP() *net.TCPConn }); is != canPeek {
		t.Errorf("it is a %T", conn)
	}
	buf := make([]byte, 100)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "GET / HTTP/1.1\r\n\r\n" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

// slow is a listener for connections whose writes wait, once somebody has said so, and are counted.
type slow struct {
	net.Listener
	gate   sync.RWMutex // held: they wait
	writes atomic.Int64
}

func (s *slow) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{conn, s}, nil
}

type slowConn struct {
	net.Conn
	of *slow
}

func (c *slowConn) Write(p []byte) (int, error) {
	c.of.writes.Add(1)
	c.of.gate.RLock()
	defer c.of.gate.RUnlock()
	return c.Conn.Write(p)
}

// What waits for a client of TURN over TLS leaves by one system call, as it does by a port that is the relay's alone.
func TestPacketsOverTLSLeaveTogether(t *testing.T) {
	var l *slow
	s := serve(t, Config{TLS: serverTLS()}, true, func(inner net.Listener) net.Listener {
		l = &slow{Listener: inner}
		return l
	})
	a, b := allocate(t, dialTLS(t, s.addr)), allocate(t, dial(t, s.addr))
	exchange(t, b, a, 1)
	relayed := func() uint64 { return s.relay.Stats().FromPeers.Packets }
	before := relayed()
	l.gate.Lock()
	const packets = 20
	for i := range packets {
		if _, err := b.WriteTo(bytes.Repeat([]byte{byte(i)}, 100), a.LocalAddr()); err != nil {
			l.gate.Unlock()
			t.Fatal(err)
		}
	}
	writes := l.writes.Load()
	eventually(t, "all are relayed", func() bool { return relayed() >= before+packets })
	l.gate.Unlock()
	buf := make([]byte, 100)
	for i := range packets {
		_ = a.SetReadDeadline(time.Now().Add(patience))
		if n, _, err := a.ReadFrom(buf); err != nil || n != 100 || buf[0] != byte(i) {
			t.Fatalf("packet %d: %x, %v", i, buf[:n], err)
		}
	}
	if n := l.writes.Load() - writes; n > 3 { // what has come when the first was written, it, and the rest
		t.Errorf("%d writes for %d packets", n, packets)
	}
}

func TestBehindTheProxyProtocol(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s := serve(t, Config{TLS: serverTLS(), Patience: 3 * time.Second}, true, func(l net.Listener) net.Listener {
		return daemon.AcceptProxyProtocol(daemon.LimitConnections(l, 1, loopback, "--max-connections", slog.New(slog.DiscardHandler)), loopback)
	})
	const (
		v1 = "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
		v2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x12\x67\x01\xbb"
	)
	through := func(head string) net.Conn {
		conn := dial(t, s.addr)
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	inside := func(conn net.Conn) net.Conn {
		conn = tls.Client(conn, clientTLS())
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	a, b := allocate(t, through(v1)), allocate(t, inside(through(v2)))
	exchange(t, a, b, 10)
	exchange(t, a, allocate(t, through("")), 10) // a connection of the proxy's own
	conn := inside(through(v2))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if got := ends(t, conn); !strings.HasSuffix(got, "\r\n\r\ntrue 203.0.113.7:4711") {
		t.Errorf("over HTTPS: got %q", got)
	}
	ends(t, through(v1)) // and no more
	ends(t, through(v1[:20]))
	ends(t, through(v2+"\xff"))
	eventually(t, "they are counted", func() bool {
		got := s.Stats().Refused
		return got["silent"] >= 1 && got["first-byte"] == 1 && got["silent"]+got["read-error"]+got["closed"] == 2
	})
}
