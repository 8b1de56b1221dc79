package daemon

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

const patience = 10 * time.Second

// echo serves the client's address over HTTP on a listener that wrap makes of one on loopback.
func echo(t *testing.T, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RemoteAddr)
	}))
	_ = server.Listener.Close()
	server.Listener = wrap(l)
	server.Config.ReadHeaderTimeout = 2 * time.Second
	server.Start()
	t.Cleanup(server.Close)
	return l.Addr().String()
}

// ask writes head and a request on a connection of its own, and returns the answer's last line; "": it was closed.
func ask(t *testing.T, addr, head string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "" // reset already
	}
	defer conn.Close()
	return askOn(t, conn, head)
}

func askOn(t *testing.T, conn net.Conn, head string) string {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, head+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	answer, _ := io.ReadAll(conn) // what was refused is reset
	lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
	return lines[len(lines)-1]
}

func TestLimitConnections(t *testing.T) {
	var log bytes.Buffer
	addr := echo(t, func(l net.Listener) net.Listener {
		return LimitConnections(l, 3, nil, "--max-connections", slog.New(slog.NewTextHandler(&log, nil)))
	})
	var open []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	for range 2 {
		if got := ask(t, addr, ""); got != "" {
			t.Errorf("a fourth connection is answered: %q", got)
		}
	}
	if got := askOn(t, open[0], ""); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("one that was there before: %q", got)
	}
	for deadline := time.Now().Add(patience); ask(t, addr, "") == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("there is no place after one was closed")
		}
	}
	if got := strings.Count(log.String(), "--max-connections"); got != 1 {
		t.Errorf("it is logged %d times, want once:\n%s", got, &log)
	}
}

func TestProxiesAreNotCounted(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	addr := echo(t, func(l net.Listener) net.Listener {
		return LimitConnections(l, 1, loopback, "--max-connections", slog.New(slog.DiscardHandler))
	})
	for range 4 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if got := ask(t, addr, ""); got == "" {
		t.Error("a proxy's connection is refused")
	}
}

func TestAcceptProxyProtocol(t *testing.T) {
	trusting := func(network string) string {
		return echo(t, func(l net.Listener) net.Listener {
			return AcceptProxyProtocol(l, []netip.Prefix{netip.MustParsePrefix(network)})
		})
	}
	const (
		v1     = "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
		v1of6  = "PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"
		v2     = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x12\x67\x01\xbb"
		health = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	)
	trusted, other := trusting("127.0.0.0/8"), trusting("10.0.0.0/8")
	for name, c := range map[string]struct{ addr, head, want string }{
		"version 1":                           {trusted, v1, "203.0.113.7:4711"},
		"version 1 over IPv6":                 {trusted, v1of6, "[2001:db8::7]:4711"},
		"version 2":                           {trusted, v2, "203.0.113.7:4711"},
		"a proxy's own health check":          {trusted, health, "127.0.0.1:"},
		"a proxy without the protocol":        {trusted, "", "127.0.0.1:"},
		"not a proxy":                         {other, "", "127.0.0.1:"},
		"a header of somebody not trusted":    {other, v1, "400 Bad Request"},
		"a header in version 2 of such a one": {other, v2, "400 Bad Request"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ask(t, c.addr, c.head); !strings.Contains(got, c.want) || c.want == "" {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("a header that never ends holds nobody up", func(t *testing.T) {
		var slow []net.Conn
		for n := range 20 {
			conn, err := net.Dial("tcp", trusted)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, []string{v1, v2}[n%2][:10])
			slow = append(slow, conn)
		}
		began := time.Now()
		if got := ask(t, trusted, v1); !strings.Contains(got, "203.0.113.7") {
			t.Errorf("got %q", got)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("another connection took %v", took)
		}
		for _, conn := range slow {
			_ = conn.SetReadDeadline(time.Now().Add(2 * patience))
			_, err := io.ReadAll(conn)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the connection is kept")
			}
		}
	})
}
