package relay

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	engine "github.com/parley-rtc/parley/relay/internal/turn"
)

// certificate is for localhost; made anew for each run.
var certificate = sign()

func sign() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func getCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }

// trusting is a client's TLS configuration.
func trusting() *tls.Config {
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		panic(err)
	}
	roots.AddCert(leaf)
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// startStreams makes a server serve a TCP listener until the test ends, and returns its address.
func startStreams(t *testing.T, host string, serve func(net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(l) }()
	t.Cleanup(func() {
		_ = l.Close()
		if err := <-done; err == nil {
			t.Error("serving ended without an error")
		}
	})
	return l.Addr().String()
}

// transports are how a client comes to a server that serves all of them, by name. Each returns a socket whose
// datagrams go to the server.
var transports = map[string]func(t *testing.T, server *Server, host string) (net.PacketConn, string){
	"UDP": func(t *testing.T, server *Server, host string) (net.PacketConn, string) {
		return listenAt(t, host), startAt(t, server, host)
	},
	"TCP": func(t *testing.T, server *Server, host string) (net.PacketConn, string) {
		addr := startStreams(t, host, server.ServeTCP)
		conn, err := net.Dial("tcp", addr)
		return framed(t, conn, err), addr
	},
	"TLS": func(t *testing.T, server *Server, host string) (net.PacketConn, string) {
		addr := startStreams(t, host, server.ServeTLS)
		conn, err := tls.Dial("tcp", addr, trusting())
		return framed(t, conn, err), addr
	},
	"a connection": func(t *testing.T, server *Server, host string) (net.PacketConn, string) {
		addr := startStreams(t, host, func(l net.Listener) error {
			for {
				conn, err := l.Accept()
				if err != nil {
					return err
				}
				go server.ServeConn(conn)
			}
		})
		conn, err := net.Dial("tcp", addr)
		return framed(t, conn, err), addr
	},
	"DTLS": func(t *testing.T, server *Server, host string) (net.PacketConn, string) {
		addr := startAt(t, server, host)
		conn, err := dialDTLS(addr)
		return framed(t, conn, err), addr
	},
}

func dialDTLS(addr string) (net.Conn, error) {
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	config := trusting()
	conn, err := dtls.DialWithOptions("udp", to, dtls.WithRootCAs(config.RootCAs), dtls.WithServerName(config.ServerName))
	if err != nil {
		return nil, err
	}
	return conn, conn.Handshake()
}

// framed makes a socket of a connection: of a stream, by the engine's own framing.
func framed(t *testing.T, conn net.Conn, err error) net.PacketConn {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, datagrams := conn.(*dtls.Conn)
	return &packets{Conn: conn, datagrams: datagrams, buf: make([]byte, 0, engine.MaxFrame)}
}

// packets is a connection as a socket.
type packets struct {
	net.Conn
	datagrams bool
	frames    engine.Stream
	buf       []byte
}

func (c *packets) ReadFrom(p []byte) (int, net.Addr, error) {
	if c.datagrams {
		n, err := c.Read(p)
		return n, c.RemoteAddr(), err
	}
	for {
		size, err := c.frames.Next(c.buf)
		if err != nil {
			return 0, nil, err
		}
		if size > 0 {
			n := copy(p, c.buf[:size])
			c.buf = append(c.buf[:0], c.buf[size:]...)
			return n, c.RemoteAddr(), nil
		}
		n, err := c.Read(c.buf[len(c.buf):cap(c.buf)])
		if err != nil {
			return 0, nil, err
		}
		c.buf = c.buf[:len(c.buf)+n]
	}
}

func (c *packets) WriteTo(p []byte, _ net.Addr) (int, error) { return c.Write(p) }

// listenAt and startAt are listen and start on another address than 127.0.0.1.
func listenAt(t *testing.T, host string) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func startAt(t *testing.T, server *Server, host string) string {
	t.Helper()
	conn := listenAt(t, host)
	done := served(t, server, conn)
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v, want ErrServerClosed", err)
		}
	})
	return conn.LocalAddr().String()
}

// renamed is a socket whose only partner is known by another address.
type renamed struct {
	net.PacketConn
	to *net.UDPAddr
}

func (r *renamed) ReadFrom(p []byte) (int, net.Addr, error) {
	n, _, err := r.PacketConn.ReadFrom(p)
	return n, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: r.to.Port}, err
}

func (r *renamed) WriteTo(p []byte, _ net.Addr) (int, error) { return r.PacketConn.WriteTo(p, r.to) }

// open makes an allocation over a transport.
func open(t *testing.T, server *Server, name, host, user string) (net.PacketConn, *turn.Client) {
	t.Helper()
	conn, addr := transports[name](t, server, host)
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(to.Port)) // the client knows no IPv6
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: addr, STUNServerAddr: addr, Conn: &renamed{conn, to}, Username: user, Password: "secret", Realm: "parley",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	relayed, err := client.Allocate()
	if err != nil {
		t.Fatalf("Allocate over %s: %v", name, err)
	}
	t.Cleanup(func() { _ = relayed.Close() })
	return relayed, client
}

var localhost6 = netip.MustParseAddr("::1")

// both is a configuration of a server of both address families and all transports.
func both() Config {
	return Config{
		PublicIP: localhost, RelayBind: localhost, PublicIPv6: localhost6, RelayBindIPv6: localhost6,
		GetCertificate: getCertificate,
	}
}

func TestEveryTransportToAPeer(t *testing.T) {
	for name := range transports {
		for _, host := range []string{"127.0.0.1", "::1"} {
			t.Run(name+" from "+host, func(t *testing.T) {
				cfg := both()
				cfg.AllowLoopback = true
				server := newServer(t, cfg)
				t.Cleanup(func() { _ = server.Close() })
				relayed, _ := open(t, server, name, host, "alice")
				peer := echo(t)
				for _, size := range []int{1, 2, 3, 4, 5, 100, 1200, 1400, 1, 4000} {
					for range 3 {
						p := make([]byte, size)
						_, _ = rand.Read(p)
						send(t, relayed, p, peer)
						expect(t, relayed, p, peer)
					}
				}
				if drops := server.Stats().Drops; len(drops) != 0 {
					t.Errorf("drops = %v, want none", drops)
				}
				if err := relayed.Close(); err != nil {
					t.Error(err)
				}
				eventually(t, server, "the allocation to end", func(s Stats) bool { return s.Allocations == 0 })
			})
		}
	}
}

func TestEveryPairOfTransportsMeetsInside(t *testing.T) {
	for one := range transports {
		for other := range transports {
			t.Run(one+" and "+other, func(t *testing.T) {
				t.Parallel()
				server := newServer(t, both())
				t.Cleanup(func() { _ = server.Close() })
				// One comes over IPv4, the other over IPv6; both have IPv4 relays, so they can meet.
				alice, aliceClient := open(t, server, one, "127.0.0.1", "alice")
				bob, bobClient := open(t, server, other, "::1", "bob")
				permit(t, aliceClient, bob.LocalAddr())
				permit(t, bobClient, alice.LocalAddr())
				for i := range 10 {
					p := make([]byte, 1+i*100)
					send(t, alice, p, bob.LocalAddr())
					expect(t, bob, p, alice.LocalAddr())
					send(t, bob, p, alice.LocalAddr())
					expect(t, alice, p, bob.LocalAddr())
				}
			})
		}
	}
}

func TestIPv6IsRelayed(t *testing.T) {
	cfg := both()
	cfg.AllowLoopback = true
	server := newServer(t, cfg)
	t.Cleanup(func() { _ = server.Close() })
	r := newRequester(t, startAt(t, server, "127.0.0.1"), "alice", "secret")
	six := attribute(stun.AttrRequestedAddressFamily, 2, 0, 0, 0)
	response := r.request(stun.MethodAllocate, transportUDP, six)
	if got := codeOf(response); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(response, stun.AttrXORRelayedAddress); err != nil {
		t.Fatal(err)
	}
	there := listenAt(t, "::1")
	to := there.LocalAddr().(*net.UDPAddr)
	if got := codeOf(r.request(stun.MethodChannelBind, attribute(stun.AttrChannelNumber, 0x40, 0, 0, 0), peer(to.AddrPort()))); got != 0 {
		t.Fatalf("ChannelBind: %d", got)
	}
	if _, err := r.conn.Write([]byte("\x40\x00\x00\x05hello")); err != nil {
		t.Fatal(err)
	}
	from := &net.UDPAddr{IP: relayed.IP, Port: relayed.Port}
	expect(t, there, []byte("hello"), from)
	send(t, there, []byte("and back"), from)
	buf := make([]byte, 100)
	if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, err := r.conn.Read(buf)
	if err != nil || string(buf[:n]) != "\x40\x00\x00\x08and back" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}

func TestAnIPv6HostKeepsTheFamilyOfItsClients(t *testing.T) {
	server := newServer(t, Config{PublicIPv6: localhost6, KeepFamily: true, RelayBind: netip.Addr{}})
	t.Cleanup(func() { _ = server.Close() })
	relayed, _ := open(t, server, "UDP", "::1", "alice")
	if addr := relayed.LocalAddr().(*net.UDPAddr).AddrPort().Addr(); addr != localhost6 {
		t.Errorf("relayed address is %v, want %v", addr, localhost6)
	}
}

func TestALPN(t *testing.T) {
	server := newServer(t, both())
	t.Cleanup(func() { _ = server.Close() })
	addr := startStreams(t, "127.0.0.1", server.ServeTLS)
	for name, test := range map[string]struct {
		offered []string
		want    string
	}{
		"nothing":         {nil, ""},
		"TURN":            {[]string{"stun.turn"}, "stun.turn"},
		"STUN":            {[]string{"stun.nat-discovery"}, "stun.nat-discovery"},
		"TURN and others": {[]string{"h2", "stun.turn"}, "stun.turn"},
		"others only":     {[]string{"h2", "http/1.1"}, ""},
	} {
		config := trusting()
		config.NextProtos = test.offered
		conn, err := tls.Dial("tcp", addr, config)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		_ = conn.Close()
	}
}

func TestTLSNeedsACertificate(t *testing.T) {
	server := newServer(t, Config{})
	t.Cleanup(func() { _ = server.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.ServeTLS(l); err == nil || errors.Is(err, ErrServerClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is open")
	}
}

// closedSoon fails the test unless the server closes a connection.
func closedSoon(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(4 * patience)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, conn); errorIsTimeout(err) {
		t.Errorf("the connection is still open, after %d bytes", n)
	}
}

func errorIsTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func TestWhatIsNoTURNIsHungUpOn(t *testing.T) {
	server := newServer(t, both())
	t.Cleanup(func() { _ = server.Close() })
	plain, secure := startStreams(t, "127.0.0.1", server.ServeTCP), startStreams(t, "127.0.0.1", server.ServeTLS)
	for name, test := range map[string]struct {
		addr, bytes, drop string
	}{
		"HTTP":                            {plain, "GET / HTTP/1.1\r\nHost: relay\r\n\r\n", "http"},
		"HTTP/2":                          {plain, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http"},
		"the first letter of HTTP":        {plain, "P", "http"},
		"HTTP behind a message":           {plain, "\x00\x01\x00\x00\x21\x12\xa4\x42012345678901POST / HTTP/1.1\r\n\r\n", "stream-framing"},
		"TLS to the plain port":           {plain, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tls-on-plain-port"},
		"another protocol's hello":        {plain, "SSH-2.0-OpenSSH_9.2p1\r\n", "stream-framing"},
		"ChannelData first":               {plain, "\x40\x00\x00\x04abcd", "stream-framing"},
		"a length that is odd":            {plain, "\x00\x01\x00\x03\x21\x12\xa4\x42", "stream-framing"},
		"no cookie":                       {plain, "\x00\x01\x00\x00\x21\x12\xa4\x43", "stream-framing"},
		"attributes that overrun":         {plain, "\x00\x01\x00\x04\x21\x12\xa4\x42012345678901\x80\x22\x00\x10", "malformed"},
		"plain TURN to the TLS port":      {secure, "\x00\x01\x00\x00\x21\x12\xa4\x42012345678901", "plain-on-tls-port"},
		"plain HTTP to the TLS port":      {secure, "GET / HTTP/1.1\r\nHost: relay\r\n\r\n", "http-on-tls-port"},
		"a handshake of nothing":          {secure, "\x16\x03\x01\x00\x04\x01\x00\x00\x00", "tls-handshake"},
		"half a ClientHello, and no more": {secure, "\x16\x03\x01\x02\x00\x01\x00", "tls-handshake-timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", test.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, test.bytes); err != nil {
				t.Fatal(err)
			}
			closedSoon(t, conn)
			eventually(t, server, test.drop, func(s Stats) bool { return s.Drops[test.drop] > 0 })
		})
	}
}

func TestTheLengthThatLiesIsWaitedFor(t *testing.T) {
	server := newServer(t, both())
	t.Cleanup(func() { _ = server.Close() })
	conn, err := net.Dial("tcp", startStreams(t, "127.0.0.1", server.ServeTCP))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// A header of a message of 0xFFEC bytes, and then nothing: with its own 20 that is 65536.
	if _, err := io.WriteString(conn, "\x00\x01\xff\xec\x21\x12\xa4\x42012345678901"); err != nil {
		t.Fatal(err)
	}
	eventually(t, server, "the connection", func(s Stats) bool { return s.Connections == 1 })
	if _, err := conn.Write(make([]byte, 0xffec)); err != nil { // attributes of type 0 and no length
		t.Fatal(err)
	}
	eventually(t, server, "an end to it", func(s Stats) bool { return s.Connections == 0 || s.Bindings+s.Refusals["unknown-attribute"] > 0 })
}
