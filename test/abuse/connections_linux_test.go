package abuse

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// dial connects to a listener of the relay from one of many addresses, so that no limit of one is reached.
func dial(t *testing.T, i int, to string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%100))}, Timeout: patience}
	conn, err := dialer.Dial("tcp4", to)
	if err != nil {
		t.Fatalf("connection %d: %v", i, err)
	}
	return conn
}

func TestConnectionsThatBringNothing(t *testing.T) {
	ask := stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw
	n := size(10_000, 500)
	for name, test := range map[string]struct {
		n    int
		to   func(*process) string
		says string
		held bool // until the relay's patience is over, 10 s
	}{
		"silent over TCP":          {n, func(p *process) string { return p.tcp }, "", true},
		"silent over TLS":          {n / 5, func(p *process) string { return p.tls }, "", true},
		"half a message":           {n / 5, func(p *process) string { return p.tcp }, string(ask[:10]), true},
		"half a TLS handshake":     {n / 5, func(p *process) string { return p.tls }, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc", true},
		"questions, no allocation": {n / 5, func(p *process) string { return p.tcp }, string(ask), true},
		"garbage for a handshake":  {1000, func(p *process) string { return p.tls }, "\x16\x03\x01\x01\x27\x01" + string(make([]byte, 300)), false},
		"HTTP":                     {1000, func(p *process) string { return p.tcp }, "GET / HTTP/1.1\r\n\r\n", false},
		"TLS to the plain port":    {1000, func(p *process) string { return p.tcp }, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false},
		"TURN to the TLS port":     {1000, func(p *process) string { return p.tls }, string(ask), false},
	} {
		t.Run(name, func(t *testing.T) {
			if !*full && test.held {
				t.Parallel()
			}
			server := start(t, "--max-connections-per-source=20000")
			c := begin(t, server.udp)
			files, before := server.descriptors(), server.resident()
			conns := make([]net.Conn, test.n)
			for i := range conns {
				conns[i] = dial(t, i, test.to(server))
				defer func() { _ = conns[i].Close() }()
				if _, err := io.WriteString(conns[i], test.says); err != nil && test.held {
					t.Fatal(err)
				}
				if !test.held && i >= 100 { // some at once, not all
					_ = conns[i-100].Close()
				}
			}
			last := time.Now()
			var most int
			for test.held && most < files+test.n { // the last ones may wait to be accepted
				if most = max(most, server.descriptors()); time.Since(last) > 5*time.Second {
					t.Fatalf("%d files are open, want %d connections and %d", most, test.n, files)
				}
				time.Sleep(10 * time.Millisecond)
			}
			last = time.Now()
			var ends sync.WaitGroup
			for _, conn := range conns {
				ends.Go(func() {
					_ = conn.SetReadDeadline(last.Add(patience))
					_, _ = io.Copy(io.Discard, conn)
				})
			}
			ends.Wait()
			took := time.Since(last)
			if took > 12*time.Second {
				t.Errorf("the last of %d connections was closed after %v, want 10 s", test.n, took)
			}
			server.settle(files)
			t.Logf("%d connections, gone after %v; resident memory %.1f MB, before %.1f MB", test.n, took.Round(time.Millisecond),
				float64(server.resident())/1e6, float64(before)/1e6)
			if lost := c.finish(); lost > 0.001 && lost*float64(c.sent) > 1 {
				t.Errorf("the call lost %.2f %% of its packets", 100*lost)
			}
		})
	}
}
