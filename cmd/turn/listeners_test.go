package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/internal/acmetest"
)

// on returns where the program serves a transport.
func (p *process) on(transport string) (addrs []string) {
	for _, match := range regexp.MustCompile(`(?m)^  listening +`+transport+` (\S+)$`).FindAllStringSubmatch(p.out.String(), -1) {
		addrs = append(addrs, match[1])
	}
	return addrs
}

// allocateOver is allocate over a connection that is open.
func allocateOver(t *testing.T, conn net.PacketConn, addr string) error {
	t.Helper()
	client, err := turn.NewClient(&turn.ClientConfig{TURNServerAddr: addr, Conn: conn, Username: "alice", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relayed, err := client.Allocate()
	if err != nil {
		return err
	}
	return relayed.Close()
}

func TestServesTCPWhereItServesUDP(t *testing.T) {
	common := []string{"--listen=127.0.0.1:0", "--public-ip=127.0.0.1", "--user=alice:secret", "--log-level=error"}
	for name, test := range map[string]struct {
		args []string
		want int // listeners of TCP
	}{
		"by default":                  {nil, 1},
		"with two of UDP":             {[]string{"--listen=127.0.0.1:0"}, 2},
		"elsewhere":                   {[]string{"--listen-tcp=127.0.0.1:0,127.0.0.1:0,127.0.0.1:0"}, 3},
		"not, as it is switched off":  {[]string{"--listen-tcp=off"}, 0},
		"off does not hide a mistake": {[]string{"--listen-tcp=off,127.0.0.1:0"}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			args := append(common[:len(common):len(common)], test.args...)
			if test.want < 0 {
				if err := run(t.Context(), args, environment(nil), new(output)); err == nil {
					t.Error("accepted")
				}
				return
			}
			addrs := start(t, nil, args...).on("tcp")
			if len(addrs) != test.want {
				t.Fatalf("TCP is served on %v, want %d", addrs, test.want)
			}
			for _, addr := range addrs {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				if err := allocateOver(t, turn.NewSTUNConn(conn), addr); err != nil {
					t.Errorf("on %s: %v", addr, err)
				}
				_ = conn.Close()
			}
		})
	}
}

// writePair writes a certificate for a name and its key.
func writePair(t *testing.T, cert, key, name string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: text}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A certificate that is replaced is shown to those who come then, over TLS and DTLS, and ends nobody's connection.
func TestReplacesTheCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, cert, key, "old.example")
	p := start(t, nil, "--listen=127.0.0.1:0", "--listen-tls=127.0.0.1:0", "--tls-cert="+cert, "--tls-key="+key,
		"--public-ip=127.0.0.1", "--user=alice:secret", "--log-level=error")
	overTLS := func() (net.Conn, string) {
		t.Helper()
		conn, err := tls.Dial("tcp", p.on("tls")[0], &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"stun.turn"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn, conn.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	overDTLS := func() string {
		t.Helper()
		addr, err := net.ResolveUDPAddr("udp", p.on("dtls")[0])
		if err != nil {
			t.Fatal(err)
		}
		socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = socket.Close() }()
		conn, err := dtls.ClientWithOptions(socket, addr, dtls.WithInsecureSkipVerify(true))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := conn.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		state, ok := conn.ConnectionState()
		if !ok {
			t.Fatal("there is no state")
		}
		leaf, err := x509.ParseCertificate(state.PeerCertificates[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.DNSNames[0]
	}
	old, name := overTLS()
	if dtlsName := overDTLS(); name != "old.example" || dtlsName != name {
		t.Fatalf("the certificates are for %s and %s", name, dtlsName)
	}
	writePair(t, cert, key, "new.example")
	for deadline := time.Now().Add(3 * patience); ; time.Sleep(50 * time.Millisecond) {
		if _, name := overTLS(); name == "new.example" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the certificate is not replaced")
		}
	}
	if name := overDTLS(); name != "new.example" {
		t.Errorf("over DTLS it is for %s", name)
	}
	if err := allocateOver(t, turn.NewSTUNConn(old), p.on("tls")[0]); err != nil {
		t.Errorf("on the connection that was there before: %v", err)
	}
}

func TestHasItsCertificateMadeByACME(t *testing.T) {
	var addr string
	authority := acmetest.New(t, func(string) string { return addr })
	l, err := net.Listen("tcp", "127.0.0.1:0") // for a port, which the authority has to know
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	_ = l.Close()
	start(t, nil, "--listen=127.0.0.1:0", "--listen-tls="+addr, "--acme-domain=turn.example", "--acme-cache="+t.TempDir(),
		"--acme-directory="+authority.Directory(), "--public-ip=127.0.0.1", "--user=alice:secret", "--log-level=error")
	for deadline := time.Now().Add(3 * patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: authority.Roots(), ServerName: "turn.example"})
		if err == nil {
			if err := allocateOver(t, turn.NewSTUNConn(conn), addr); err != nil {
				t.Error(err)
			}
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v; the authority: %v", err, authority.Faults())
		}
	}
}
