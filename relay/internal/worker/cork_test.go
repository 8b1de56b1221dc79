package worker

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// counted counts the system calls' worth of a connection.
type counted struct {
	*net.TCPConn
	writes atomic.Int64
}

// PlainTCP says that it is read as the socket is.
func (c *counted) PlainTCP() *net.TCPConn { return c.TCPConn }

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(p)
}

// tcpPair returns both ends of a connection.
func tcpPair(t *testing.T) (server *counted, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server, client = &counted{TCPConn: accepted.(*net.TCPConn)}, dialled.(*net.TCPConn)
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	for _, conn := range []net.Conn{server, client} {
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return server, client
}

func TestWhatIsCorkedLeavesInOnePiece(t *testing.T) {
	for name, test := range map[string]struct {
		size, n int
		want    int64
	}{
		"little":                              {100, 5, 1},
		"more than is held":                   {30 << 10, 5, 3},
		"a piece that is larger than a cork":  {corkSize + 1, 1, 1},
		"several pieces that are":             {corkSize + 1, 3, 3},
		"nothing":                             {0, 0, 0},
		"as much as is held":                  {corkSize, 1, 1},
		"as much as is held in small portion": {corkSize / 64, 64, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server, there := tcpPair(t)
			c := NewCork(server)
			var want []byte
			c.cork()
			go func() {
				for i := range test.n {
					_, _ = c.Write(bytes.Repeat([]byte{byte(i)}, test.size)) // the reader sees it
				}
				_ = c.uncork()
				_, _ = c.Write([]byte{0xff})
			}()
			for i := range test.n {
				want = append(want, bytes.Repeat([]byte{byte(i)}, test.size)...)
			}
			want = append(want, 0xff)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(there, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("other bytes came than were written: %v", err)
			}
			if n := server.writes.Load() - 1; n != test.want {
				t.Errorf("%d writes, want %d", n, test.want)
			}
		})
	}
}

func TestACorkIsReadDry(t *testing.T) {
	server, there := tcpPair(t)
	c := NewCork(server)
	c.greedy, c.dry = true, true
	buf := make([]byte, 3)
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v, want that nothing has come", err)
	}
	if _, err := there.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	c.dry = false
	got := ""
	n, err := c.Read(buf)
	for ; err == nil; n, err = c.Read(buf) {
		got += string(buf[:n])
		c.dry = true
	}
	if got != "hello" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v", got, err)
	}
	if c.slab != nil {
		t.Error("it holds a buffer with nothing in it")
	}
	c.dry = false
	_ = there.CloseWrite()
	if _, err := c.Read(buf); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end", err)
	}
	_ = server.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want that it is too late", err)
	}
	_ = server.Close()
	if _, err := c.Read(buf); !gone(err) {
		t.Errorf("%v, want that it is closed", err)
	}
}

// ahead is a connection of which something was read already, and which gives it again.
type ahead struct {
	*net.TCPConn
	first string
}

func (a *ahead) Read(p []byte) (int, error) {
	if a.first == "" {
		return a.TCPConn.Read(p)
	}
	n := copy(p, a.first)
	a.first = a.first[n:]
	return n, nil
}

// A connection that is more than its socket is read by its own method.
func TestACorkGoesAroundNobody(t *testing.T) {
	server, there := tcpPair(t)
	if _, err := there.Write([]byte("lo")); err != nil {
		t.Fatal(err)
	}
	c := NewCork(&ahead{server.TCPConn, "hel"})
	c.greedy = true
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v, want hello", got, err)
	}
}

// Who asks for little, and may be long in asking for more, does not have the relay keep what waits.
func TestOnlyAGreedyCorkReadsAhead(t *testing.T) {
	for _, greedy := range []bool{false, true} {
		server, there := tcpPair(t)
		c := NewCork(server)
		c.greedy = greedy
		if _, err := there.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1)
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
		if (c.slab != nil) != greedy {
			t.Errorf("greedy: %v; it holds a buffer: %v", greedy, c.slab != nil)
		}
	}
}

// Packets that wait for one client leave together: over TCP in one piece, over TLS in records of their own, which are written
// at once.
func TestPacketsThatWaitForAStreamLeaveInOneWrite(t *testing.T) {
	for _, transport := range []turn.Transport{turn.TCP, turn.TLS} {
		t.Run(transport.String(), func(t *testing.T) {
			server, there := tcpPair(t)
			var near, far net.Conn = server, there
			if transport == turn.TLS {
				near, far = secured(t, NewCork(server), there)
			}
			c := &client{Client: turn.Client{Transport: transport}, w: &Worker{}, conn: near, raw: rawOf(near), queue: newQueue(), sent: make(chan struct{})}
			const packets = 20
			body := make([]byte, 1000)
			for i := range packets {
				body[0] = byte(i)
				c.queue.push(turn.Packet{Head: []byte{0x40, 0, 3, 0xe8}, Body: body})
			}
			c.queue.signal()
			server.writes.Store(0)
			go c.write()
			got := make([]byte, packets*1004)
			reads := 0
			for at := 0; at < len(got); reads++ {
				n, err := far.Read(got[at:])
				if err != nil {
					t.Fatal(err)
				}
				at += n
			}
			for i := range packets {
				if p := got[i*1004:]; !bytes.Equal(p[:4], []byte{0x40, 0, 3, 0xe8}) || p[4] != byte(i) {
					t.Fatalf("packet %d begins with % x", i, p[:5])
				}
			}
			if n := server.writes.Load(); n != 1 {
				t.Errorf("%d writes for %d packets, want 1", n, packets)
			}
			if transport == turn.TLS && reads != packets { // it gives a record at a time
				t.Errorf("%d records for %d packets", reads, packets)
			}
			c.queue.finish()
			<-c.sent
		})
	}
}

func TestRecordsThatHaveComeAreReadTogether(t *testing.T) {
	server, there := tcpPair(t)
	cork, together := NewCork(server), NewCork(there)
	near, far := secured(t, cork, together)
	const records = 10
	var want []byte
	together.cork()
	for i := range records {
		p := bytes.Repeat([]byte{byte(i)}, 100+i)
		want = append(want, p...)
		if _, err := far.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := together.uncork(); err != nil {
		t.Fatal(err)
	}
	in := newIntake()
	cork.greedy = true
	n, err := near.Read(in.free())
	if err != nil {
		t.Fatal(err)
	}
	in.came(n)
	(&client{conn: near}).drain(cork, &in)
	if !bytes.Equal(in.bytes(), want) {
		t.Errorf("%d bytes were read together, want all %d", len(in.bytes()), len(want))
	}
	if _, err := far.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if n, err := near.Read(buf); err != nil || string(buf[:n]) != "more" {
		t.Errorf("then %q came, %v", buf[:n], err)
	}
}

// secured lays TLS over both ends of a connection.
func secured(t *testing.T, server, client net.Conn) (near, far *tls.Conn) {
	t.Helper()
	near = tls.Server(server, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{selfSigned(t)}, DynamicRecordSizingDisabled: true})
	far = tls.Client(client, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is a test's own
	shaken := make(chan error, 1)
	go func() { shaken <- far.Handshake() }()
	if err := errors.Join(near.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
