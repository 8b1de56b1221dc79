package abuse

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/turn/v4"
)

// call is a client that speaks with a peer through the relay, which sends back what it gets.
type call struct {
	t       *testing.T
	id      uint64
	relayed net.PacketConn
	peer    net.PacketConn
	sent    int
	back    atomic.Int64
	stop    chan struct{}
	parts   sync.WaitGroup
}

// A call sends a packet of so many bytes in each interval.
const (
	packet   = 200
	interval = 5 * time.Millisecond
)

// begin begins a call that goes on until finish.
func begin(t *testing.T, server string) *call {
	t.Helper()
	listen := func() net.PacketConn {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	conn := listen()
	client, err := turn.NewClient(&turn.ClientConfig{TURNServerAddr: server, Conn: conn, Username: "alice", Password: "secret", Realm: "parley"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	c := &call{t: t, id: mathrand.Uint64(), peer: listen(), stop: make(chan struct{})}
	if c.relayed, err = client.Allocate(); err != nil {
		t.Fatal(err)
	}
	c.parts.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := c.peer.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.peer.WriteTo(buf[:n], from)
		}
	})
	c.parts.Go(func() {
		buf := make([]byte, 2048)
		seen := make(map[uint64]bool)
		for {
			n, _, err := c.relayed.ReadFrom(buf)
			if err != nil {
				return
			}
			// Others may use loopback, too.
			if n == packet && binary.BigEndian.Uint64(buf) == c.id && !seen[binary.BigEndian.Uint64(buf[8:])] {
				seen[binary.BigEndian.Uint64(buf[8:])] = true
				c.back.Add(1)
			}
		}
	})
	c.say(0) // for the permission and the channel
	for deadline := time.Now().Add(patience); c.back.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the call does not begin")
		}
	}
	time.Sleep(100 * time.Millisecond) // the channel is bound behind the client's back
	c.parts.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for c.sent = 1; ; c.sent++ {
			select {
			case <-ticker.C:
				c.say(c.sent)
			case <-c.stop:
				return
			}
		}
	})
	return c
}

func (c *call) say(n int) {
	p := make([]byte, packet)
	binary.BigEndian.PutUint64(p, c.id)
	binary.BigEndian.PutUint64(p[8:], uint64(n))
	if _, err := c.relayed.WriteTo(p, c.peer.LocalAddr()); err != nil {
		c.t.Errorf("packet %d of the call: %v", n, err)
	}
}

// finish ends the call and returns which part of its packets was lost, there or back.
func (c *call) finish() float64 {
	c.t.Helper()
	close(c.stop)
	time.Sleep(200 * time.Millisecond) // for the last ones
	_, _ = c.relayed.Close(), c.peer.Close()
	c.parts.Wait()
	lost := int64(c.sent) - c.back.Load()
	c.t.Logf("the call lost %d of %d packets", lost, c.sent)
	return float64(lost) / float64(c.sent)
}

// writeCertificate writes a certificate of the relay and its key, and returns where.
func writeCertificate(t *testing.T) (string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private)
}
