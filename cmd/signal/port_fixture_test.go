package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

const longEnough = 30 * time.Second // for what should happen at once

// certFiles are a certificate and its key in files, as --tls-cert and --tls-key take them.
type certFiles struct {
	cert, key string
	roots     *x509.CertPool // that trust every certificate written
}

func newCertFiles(t *testing.T, names ...string) *certFiles {
	t.Helper()
	dir := t.TempDir()
	p := &certFiles{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), roots: x509.NewCertPool()}
	p.write(t, names...)
	return p
}

// write replaces the files. A name that is an IP address is one in the certificate, and one that begins with CN= is none but its common name.
func (p *certFiles) write(t *testing.T, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	for _, name := range names {
		if common, is := strings.CutPrefix(name, "CN="); is {
			template.Subject.CommonName = common
		} else if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.roots.AppendCertsFromPEM(cert)
	for name, text := range map[string][]byte{p.cert: cert, p.key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// port is that of --listen.
func (p *program) port(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// toLoopback connects to 127.0.0.1, whatever the host is called.
func toLoopback(ctx context.Context, network, addr string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// client returns an HTTP client that trusts the roots.
func client(t *testing.T, roots *x509.CertPool) *http.Client {
	transport := &http.Transport{DialContext: toLoopback, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func joinBy(t *testing.T, client *http.Client, url, room, more string) wire.JoinReply {
	t.Helper()
	body := fmt.Sprintf(`{"attempt":"attempt-%022d","instance":"i"%s}`, time.Now().UnixNano(), more)
	res, err := client.Post(url+"/v1/rooms/"+room+"/sessions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var reply wire.JoinReply
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("join: %s %v", res.Status, err)
	}
	return reply
}

// relayOver makes an allocation by one of the URLs of a reply, over TLS by the roots.
func relayOver(t *testing.T, turnURL string, server signaling.ICEServer, roots *x509.CertPool) (net.PacketConn, error) {
	t.Helper()
	scheme, rest, _ := strings.Cut(turnURL, ":")
	addr, transport, _ := strings.Cut(rest, "?transport=")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	addr = net.JoinHostPort("127.0.0.1", port)
	var packets net.PacketConn
	switch scheme + " " + transport {
	case "turn udp":
		packets, err = net.ListenPacket("udp4", "127.0.0.1:0")
	case "turn tcp":
		var conn net.Conn
		if conn, err = net.Dial("tcp", addr); err == nil {
			packets = turn.NewSTUNConn(conn)
		}
	case "turns tcp":
		var conn net.Conn
		if conn, err = tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: host}); err == nil {
			packets = turn.NewSTUNConn(conn)
		}
	case "turns udp":
		var to *net.UDPAddr
		if to, err = net.ResolveUDPAddr("udp4", addr); err != nil {
			break
		}
		var socket net.PacketConn
		if socket, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
			break
		}
		t.Cleanup(func() { socket.Close() })
		var conn *dtls.Conn
		if conn, err = dtls.ClientWithOptions(socket, to, dtls.WithRootCAs(roots), dtls.WithServerName(host)); err == nil {
			err, packets = conn.HandshakeContext(t.Context()), records{conn}
		}
	default:
		t.Fatalf("what is %s?", turnURL)
	}
	if err != nil {
		return nil, err
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: addr, Conn: packets, Username: server.Username, Password: server.Credential, Realm: "parley",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); packets.Close() })
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relayed, err := client.Allocate()
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { relayed.Close() })
	return relayed, nil
}

// records is a DTLS connection as a socket: a record is a packet.
type records struct{ *dtls.Conn }

func (c records) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.RemoteAddr(), err
}

func (c records) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

// pass has a message go from one allocation to another, after both have let the other in.
func pass(t *testing.T, from, to net.PacketConn, message string) {
	t.Helper()
	for _, way := range [][2]net.PacketConn{{to, from}, {from, to}} {
		if _, err := way[0].WriteTo([]byte("let it in"), way[1].LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := from.WriteTo([]byte(message), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1000)
	_ = to.SetReadDeadline(time.Now().Add(longEnough))
	for {
		n, sender, err := to.ReadFrom(buf)
		if err != nil {
			t.Fatalf("%q does not arrive: %v", message, err)
		}
		if string(buf[:n]) == message {
			if sender.String() != from.LocalAddr().String() {
				t.Errorf("%q comes from %v, not %v", message, sender, from.LocalAddr())
			}
			return
		}
	}
}
