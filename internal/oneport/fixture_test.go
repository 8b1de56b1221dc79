package oneport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/relay"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for what should happen at once.
const patience = 30 * time.Second

// certificate is for localhost, and signed by itself.
var certificate = func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}()

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1", "stun.turn"}}
}

func clientTLS(protocols ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols} // it is about what is inside
}

// service is a port with a relay and an HTTP server behind it, which answers with what it knows of a request.
type service struct {
	*Port
	addr  string
	relay *relay.Server
}

// serve opens a port on loopback. With TURN it has a relay; wrap makes another listener of its own.
func serve(t *testing.T, cfg Config, withTURN bool, wrap func(net.Listener) net.Listener) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{addr: l.Addr().String()}
	s.relay, err = relay.New(relay.Config{
		PublicIP: netip.MustParseAddr("127.0.0.1"), Users: map[string]string{"alice": "secret"}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if withTURN {
		cfg.Turn, cfg.Below = s.relay.ServeConn, relay.CorkedConn
	}
	if wrap != nil {
		l = wrap(l)
	}
	s.Port = New(l, cfg)
	answer := func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%v %s", r.TLS != nil, r.RemoteAddr)
	}
	server := &http.Server{Handler: http.HandlerFunc(answer), ConnContext: Context, ReadHeaderTimeout: patience}
	if cfg.TLS != nil {
		server.Handler = Handler(server.Handler, []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}, "/healthz")
	}
	failed := make(chan error, 2)
	go func() { failed <- s.Serve() }()
	go func() { failed <- server.Serve(s.HTTP()) }()
	t.Cleanup(func() {
		_ = s.relay.Close()
		_ = s.Close()
		_ = server.Close()
		for range 2 {
			if err := <-failed; !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("serving ended with %v", err)
			}
		}
	})
	return s
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// ask makes a request on a connection of its own, and returns the status and the body.
func (s *service) ask(t *testing.T, url string, transport *http.Transport) (int, string, http.Header) {
	t.Helper()
	transport.DisableKeepAlives = true
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

// allocate makes an allocation over a connection.
func allocate(t *testing.T, conn net.Conn) net.PacketConn {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: conn.RemoteAddr().String(), Conn: turn.NewSTUNConn(conn), Username: "alice", Password: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relayed, err := client.Allocate()
	if err != nil {
		t.Fatalf("allocate: %v", err)
	}
	t.Cleanup(func() { _ = relayed.Close() })
	return relayed
}

// exchange has two allocations send each other n messages both ways, one after the other.
func exchange(t *testing.T, a, b net.PacketConn, n int) {
	t.Helper()
	for _, way := range [][2]net.PacketConn{{a, b}, {b, a}} { // the first makes permissions, and may be lost
		if _, err := way[0].WriteTo([]byte("hello"), way[1].LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 2000)
	for i := range n {
		for _, way := range [][2]net.PacketConn{{a, b}, {b, a}} {
			want := fmt.Sprintf("message %d from %v", i, way[0].LocalAddr())
			if _, err := way[0].WriteTo([]byte(want), way[1].LocalAddr()); err != nil {
				t.Fatal(err)
			}
			for {
				_ = way[1].SetReadDeadline(time.Now().Add(patience))
				n, from, err := way[1].ReadFrom(buf)
				if err != nil {
					t.Fatal(err)
				}
				if string(buf[:n]) == "hello" {
					continue
				}
				if string(buf[:n]) != want || from.String() != way[0].LocalAddr().String() {
					t.Fatalf("got %q from %v, want %q from %v", buf[:n], from, want, way[0].LocalAddr())
				}
				break
			}
		}
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func dialTLS(t *testing.T, addr string, protocols ...string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: clientTLS(protocols...)}).DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ends waits until the other side has closed a connection, and returns what came until then.
func ends(t *testing.T, conn net.Conn) string {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection is kept")
	}
	return string(got)
}
