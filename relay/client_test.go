package relay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/relay/credentials"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var localhost = netip.MustParseAddr("127.0.0.1")

// patience is how long a test waits for what should happen at once.
const patience = 5 * time.Second

// serve starts a server on loopback and returns it with its address. Where cfg says nothing, users
// are alice and bob, both with the password "secret".
func serve(t *testing.T, cfg Config) (*Server, string) {
	t.Helper()
	server := newServer(t, cfg)
	return server, start(t, server)
}

// newServer is serve without starting.
func newServer(t *testing.T, cfg Config) *Server {
	t.Helper()
	if !cfg.PublicIP.IsValid() {
		cfg.PublicIP, cfg.RelayBind = localhost, localhost
	}
	if cfg.Keyring == nil && cfg.Users == nil {
		cfg.Users = map[string]string{"alice": "secret", "bob": "secret"}
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cfg.UDPMode = cmp.Or(cfg.UDPMode, os.Getenv("PARLEY_TEST_UDP_MODE")) // to run the tests in another
	cfg.Workers = cmp.Or(cfg.Workers, testWorkers(t))
	server, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// start makes a server serve on loopback until the test ends, and returns its address.
func start(t *testing.T, server *Server) string {
	t.Helper()
	conn := listen(t)
	done := served(t, server, conn)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v, want ErrServerClosed", err)
		}
	})
	return conn.LocalAddr().String()
}

// listen opens a UDP socket on loopback.
func listen(t *testing.T) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// newClient returns a TURN client without an allocation.
func newClient(t *testing.T, server, username, password string) *turn.Client {
	t.Helper()
	conn := listen(t)
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: server,
		STUNServerAddr: server,
		Conn:           conn,
		Username:       username,
		Password:       password,
		Realm:          "parley",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// allocate returns the relayed end of a new allocation.
func allocate(t *testing.T, server, username, password string) (net.PacketConn, *turn.Client) {
	t.Helper()
	client := newClient(t, server, username, password)
	relayed, err := client.Allocate()
	if err != nil {
		t.Fatalf("Allocate: %v", err)
	}
	t.Cleanup(func() { _ = relayed.Close() })
	return relayed, client
}

// echo returns the address of a peer that sends back what it gets.
func echo(t *testing.T) net.Addr {
	t.Helper()
	conn := listen(t)
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(buf[:n], from)
		}
	}()
	return conn.LocalAddr()
}

// expect fails the test unless the next datagram is want, from there.
func expect(t *testing.T, conn net.PacketConn, want []byte, from net.Addr) {
	t.Helper()
	buf := make([]byte, 1<<16)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, source, err := conn.ReadFrom(buf)
	if err != nil {
		t.Fatalf("waiting for %d bytes: %v", len(want), err)
	}
	if !bytes.Equal(buf[:n], want) || source.String() != from.String() {
		t.Fatalf("got %d bytes from %v, want %d from %v", n, source, len(want), from)
	}
}

// send writes one datagram.
func send(t *testing.T, conn net.PacketConn, p []byte, to net.Addr) {
	t.Helper()
	if _, err := conn.WriteTo(p, to); err != nil {
		t.Fatalf("WriteTo %v: %v", to, err)
	}
}

// eventually waits until a condition on the server's counters holds.
func eventually(t *testing.T, server *Server, what string, holds func(Stats) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		stats := server.Stats()
		if holds(stats) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s; stats are %+v", what, stats)
		}
	}
}

// exactly waits until as much has been relayed each way.
func exactly(t *testing.T, server *Server, want Traffic) {
	t.Helper()
	eventually(t, server, fmt.Sprintf("%+v each way", want), func(s Stats) bool {
		return s.ToPeers == want && s.FromPeers == want
	})
}

func keyring(t *testing.T, secrets ...string) *credentials.Keyring {
	t.Helper()
	ring, err := credentials.New(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// requester speaks STUN by hand, one request at a time.
type requester struct {
	t        *testing.T
	conn     net.Conn
	username string
	key      stun.MessageIntegrity
	nonce    stun.Nonce
}

// newRequester returns a requester that has been challenged, so that it has a nonce.
func newRequester(t *testing.T, server, username, password string) *requester {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "udp4", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r := &requester{t: t, conn: conn}
	r.as(username, password)
	challenge := r.exchange(stun.MethodAllocate, transportUDP)
	if got := codeOf(challenge); got != stun.CodeUnauthorized {
		t.Fatalf("first Allocate got %d, want 401", got)
	}
	if err := r.nonce.GetFrom(challenge); err != nil {
		t.Fatal(err)
	}
	return r
}

// as changes the user for the requests that follow.
func (r *requester) as(username, password string) {
	r.username = username
	r.key = turn.GenerateAuthKey(username, "parley", password)
}

// request sends a signed request and returns the response.
func (r *requester) request(method stun.Method, attributes ...stun.Setter) *stun.Message {
	r.t.Helper()
	attributes = append(attributes, stun.NewUsername(r.username), stun.NewRealm("parley"), r.nonce, r.key)
	return r.exchange(method, attributes...)
}

// exchange sends a request as it is and returns the response.
func (r *requester) exchange(method stun.Method, attributes ...stun.Setter) *stun.Message {
	r.t.Helper()
	setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	return r.raw(stun.MustBuild(setters...).Raw)
}

// raw sends the bytes of a request and returns the response.
func (r *requester) raw(p []byte) *stun.Message {
	r.t.Helper()
	if _, err := r.conn.Write(p); err != nil {
		r.t.Fatal(err)
	}
	if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, err := r.conn.Read(buf)
	if err != nil {
		r.t.Fatalf("no response: %v", err)
	}
	response := stun.New()
	if _, err := response.Write(buf[:n]); err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Equal(response.TransactionID[:], p[8:20]) {
		r.t.Fatal("the response is to another request")
	}
	return response
}

// codeOf returns the error code of a response, 0 for success.
func codeOf(response *stun.Message) stun.ErrorCode {
	if response.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(response); err != nil {
		return -1
	}
	return code.Code
}

var transportUDP = attribute(stun.AttrRequestedTransport, 17, 0, 0, 0)

func attribute(kind stun.AttrType, value ...byte) stun.Setter {
	return stun.RawAttribute{Type: kind, Value: value}
}

// peer is an XOR-PEER-ADDRESS attribute.
type peer netip.AddrPort

func (p peer) AddTo(m *stun.Message) error {
	addr := net.UDPAddrFromAddrPort(netip.AddrPort(p))
	return stun.XORMappedAddress{IP: addr.IP, Port: addr.Port}.AddToAs(m, stun.AttrXORPeerAddress)
}
