package packet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const patience = 10 * time.Second

var (
	localhost  = netip.MustParseAddr("127.0.0.1")
	localhost6 = netip.MustParseAddr("::1")
)

// inEveryMode runs a test in each mode that there is here.
func inEveryMode(t *testing.T, f func(t *testing.T, m Mode)) {
	for _, m := range []Mode{Offload, Batch, Plain} {
		if m != Plain && !canBatch {
			continue
		}
		t.Run(m.String(), func(t *testing.T) {
			leaktest.Check(t)
			f(t, m)
		})
	}
}

// arrived is a datagram that was copied.
type arrived struct {
	tag  any
	from netip.AddrPort
	to   netip.Addr
	body string
}

// box keeps what arrives.
type box struct {
	mu       sync.Mutex
	got      []arrived
	failures []Failure
	lost     []error
}

func (b *box) handle(_ *Outbox, arrivals []Arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range arrivals {
		for _, d := range a.Datagrams {
			b.got = append(b.got, arrived{a.Tag, d.From, d.To, string(d.Body)})
		}
		b.failures = append(b.failures, a.Failures...)
	}
}

func (b *box) miss(_ *Socket, n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range n {
		b.lost = append(b.lost, err)
	}
}

// wait waits until so many have arrived, and returns them.
func (b *box) wait(t *testing.T, n int) []arrived {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		got := append([]arrived(nil), b.got...)
		b.mu.Unlock()
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d datagrams arrived, want %d", len(got), n)
		}
	}
}

// group returns a group that fills a box, until the test ends.
func group(t *testing.T, m Mode) (*Group, *box) {
	t.Helper()
	b := &box{}
	g := NewGroup(m, b.handle, b.miss)
	t.Cleanup(func() { _ = g.Close() })
	return g, b
}

// open returns a socket of the group.
func open(t *testing.T, g *Group, addr netip.Addr, tag any, options Options) *Socket {
	t.Helper()
	options.Receive = 1 << 20
	s, err := g.Bind(netip.AddrPortFrom(addr, 0), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := g.Start(s, tag); err != nil {
		t.Fatal(err)
	}
	return s
}

// listen returns a socket of package net.
func listen(t *testing.T, network, addr string) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenPacket(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.UDPConn), plain(conn.LocalAddr().(*net.UDPAddr).AddrPort())
}

func TestWhatIsSentArrivesInOrder(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m Mode) {
		for name, addr := range map[string]netip.Addr{"IPv4": localhost, "IPv6": localhost6} {
			t.Run(name, func(t *testing.T) {
				g, b := group(t, m)
				to := open(t, g, addr, "to", Options{})
				from := open(t, g, addr, "from", Options{Fragment: true})
				out := NewOutbox(b.miss)
				var want []string
				// Runs of one size, tails, changes of size, empty ones, and the largest there is.
				for i, size := range []int{100, 100, 100, 40, 100, 0, 0, 7, 1200, 1200, 1200, 1200, 1201, 1, 3000, 3000, 60000, 60000, 9, 9} {
					body := bytes.Repeat([]byte{byte(i)}, size)
					want = append(want, fmt.Sprint(i%3)+string(body)+string(zeros[:i%4]))
					out.Add(from, Message{To: to.Addr(), Head: []byte(fmt.Sprint(i % 3)), Body: body, Pad: i % 4})
				}
				for range 300 { // more than one call, one run and the pieces of memory of one call
					want = append(want, "h"+"same")
					out.Add(from, Message{To: to.Addr(), Head: []byte("h"), Body: []byte("same")})
				}
				out.Flush()
				got := b.wait(t, len(want))
				for i := range want {
					if got[i].body != want[i] || got[i].from != from.Addr() || got[i].tag != "to" {
						t.Fatalf("datagram %d: got %d bytes from %v for %v, want %d from %v", i, len(got[i].body), got[i].from, got[i].tag, len(want[i]), from.Addr())
					}
				}
				if len(got) != len(want) || len(b.lost) != 0 {
					t.Errorf("%d arrived, want %d; lost: %v", len(got), len(want), b.lost)
				}
			})
		}
	})
}

func TestTheLargestDatagram(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m Mode) {
		g, b := group(t, m)
		to, from := open(t, g, localhost, "to", Options{}), open(t, g, localhost, "from", Options{})
		out := NewOutbox(b.miss)
		body := bytes.Repeat([]byte("x"), 65507)
		out.Add(from, Message{To: to.Addr(), Body: body})
		out.Add(from, Message{To: to.Addr(), Body: body[:65506], Pad: 2}) // one byte more than can be sent
		out.Add(from, Message{To: to.Addr(), Body: []byte("end")})
		out.Flush()
		got := b.wait(t, 2)
		if len(got[0].body) != 65507 || got[1].body != "end" {
			t.Errorf("got %d and %d bytes", len(got[0].body), len(got[1].body))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.lost) != 1 {
			t.Errorf("lost: %v, want one that is too long", b.lost)
		}
	})
}

// Interleaved flows: each keeps its order.
func TestFlowsKeepTheirOrder(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m Mode) {
		g, b := group(t, m)
		const flows, each = 20, 50
		var from, to []*Socket
		for i := range flows {
			to = append(to, open(t, g, localhost, i, Options{}))
		}
		for range 3 {
			from = append(from, open(t, g, localhost, "from", Options{}))
		}
		out := NewOutbox(b.miss)
		for n := range each {
			for i := range flows {
				out.Add(from[i%len(from)], Message{To: to[i].Addr(), Body: binary.BigEndian.AppendUint16(nil, uint16(n))})
			}
		}
		out.Flush()
		next := make(map[any]uint16)
		for _, d := range b.wait(t, flows*each) {
			if n := binary.BigEndian.Uint16([]byte(d.body)); n != next[d.tag] {
				t.Fatalf("flow %v: got %d, want %d", d.tag, n, next[d.tag])
			}
			next[d.tag]++
		}
	})
}

func TestAnAdoptedSocketEchoes(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m Mode) {
		for name, where := range map[string][3]string{
			"one address":      {"udp4", "127.0.0.1:0", "127.0.0.1"},
			"any of IPv4":      {"udp4", "0.0.0.0:0", "127.0.0.2"},
			"any of IPv6":      {"udp6", "[::]:0", "::1"},
			"any, met by IPv6": {"udp", ":0", "::1"},
			"any, met by IPv4": {"udp", ":0", "127.0.0.3"},
		} {
			t.Run(name, func(t *testing.T) {
				conn, addr := listen(t, where[0], where[1])
				g := NewGroup(m, func(out *Outbox, arrivals []Arrival) {
					for _, d := range arrivals[0].Datagrams {
						out.Add(arrivals[0].Socket, Message{To: d.From, From: d.To, Head: []byte("> "), Body: d.Body})
					}
				}, func(_ *Socket, n int, err error) { t.Errorf("%d lost: %v", n, err) })
				t.Cleanup(func() { _ = g.Close() })
				s, err := g.Adopt(conn, Options{Local: true})
				if err != nil {
					t.Fatal(err)
				}
				if err := g.Start(s, "adopted"); err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- s.Wait() }()
				met := netip.AddrPortFrom(netip.MustParseAddr(where[2]), addr.Port())
				peer, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(met)) // takes answers from this address alone
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = peer.Close() }()
				for _, body := range []string{"hello", "", "again"} {
					if _, err := peer.Write([]byte(body)); err != nil {
						t.Fatal(err)
					}
					buf := make([]byte, 100)
					_ = peer.SetReadDeadline(time.Now().Add(patience))
					if n, err := peer.Read(buf); err != nil || string(buf[:n]) != "> "+body {
						t.Fatalf("got %q, %v, want %q", buf[:n], err, "> "+body)
					}
				}
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				if err := <-done; !errors.Is(err, ErrClosed) {
					t.Errorf("Serve returned %v, want ErrClosed", err)
				}
			})
		}
	})
}

// slow is a socket that is not of package net.
type slow struct{ net.PacketConn }

func (s slow) ReadFrom(p []byte) (int, net.Addr, error) {
	time.Sleep(time.Millisecond)
	return s.PacketConn.ReadFrom(p)
}

func TestAForeignSocketIsServed(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m Mode) {
		g, b := group(t, m)
		conn, addr := listen(t, "udp4", "127.0.0.1:0")
		s, err := g.Adopt(slow{conn}, Options{Local: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Start(s, "foreign"); err != nil {
			t.Fatal(err)
		}
		from, fromAddr := listen(t, "udp4", "127.0.0.1:0")
		if _, err := from.WriteToUDPAddrPort([]byte("hello"), addr); err != nil {
			t.Fatal(err)
		}
		if got := b.wait(t, 1)[0]; got.body != "hello" || got.from != fromAddr || got.tag != "foreign" {
			t.Errorf("got %+v", got)
		}
		_ = conn.Close() // whoever made it may end it
		if err := s.Wait(); !errors.Is(err, ErrClosed) {
			t.Errorf("Wait: %v, want ErrClosed", err)
		}
	})
}

func TestICMPErrorsAreTold(t *testing.T) {
	if !CanSetDF {
		t.Skip("the system does not tell of ICMP errors")
	}
	inEveryMode(t, func(t *testing.T, m Mode) {
		for name, addr := range map[string]netip.Addr{"IPv4": localhost, "IPv6": localhost6} {
			g, b := group(t, m)
			from := open(t, g, addr, "from", Options{Errors: true})
			gone := open(t, g, addr, "gone", Options{})
			to := gone.Addr()
			_ = gone.Close()
			other := open(t, g, addr, "other", Options{})
			out := NewOutbox(b.miss)
			for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
				// The error of the first must not cost the second, which is for somebody else.
				out.Add(from, Message{To: to, Body: []byte("nobody")})
				out.Flush()
				out.Add(from, Message{To: other.Addr(), Body: []byte("somebody")})
				out.Flush()
				b.mu.Lock()
				failures, lost := append([]Failure(nil), b.failures...), len(b.lost)
				b.mu.Unlock()
				if lost > 0 {
					t.Fatalf("%s: lost: %v", name, b.lost)
				}
				if len(failures) > 2 {
					want := Failure{To: to, Type: 3, Code: 3}
					if addr.Is6() {
						want.Type, want.Code = 1, 4
					}
					if failures[0] != want {
						t.Errorf("%s: got %+v, want %+v", name, failures[0], want)
					}
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s: %d errors are told", name, len(failures))
				}
			}
		}
	})
}

func TestSocketsComeAndGoUnderTraffic(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m Mode) {
		var wrong atomic.Int64
		g := NewGroup(m, func(_ *Outbox, arrivals []Arrival) {
			for _, a := range arrivals {
				for _, d := range a.Datagrams {
					if string(d.Body) != fmt.Sprint(a.Tag) {
						wrong.Add(1)
					}
				}
			}
		}, func(*Socket, int, error) {})
		defer func() { _ = g.Close() }()
		var senders sync.WaitGroup
		stop := make(chan struct{})
		current := make(chan *Socket, 1)
		for range 2 {
			senders.Go(func() {
				from, err := g.Bind(netip.AddrPortFrom(localhost, 0), Options{})
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = from.Close() }()
				out := NewOutbox(func(*Socket, int, error) {})
				for {
					select {
					case <-stop:
						return
					case s := <-current:
						current <- s
						for range 20 {
							out.Add(from, Message{To: s.Addr(), Body: []byte(s.Addr().String())})
							out.Add(s, Message{To: from.Addr(), Body: []byte("back")})
						}
						out.Flush()
					}
				}
			})
		}
		for i := range 300 {
			s, err := g.Bind(netip.AddrPortFrom(localhost, 0), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Start(s, s.Addr().String()); err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				old := <-current
				current <- s
				if err := old.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				continue
			}
			current <- s
		}
		close(stop)
		senders.Wait()
		_ = (<-current).Close()
		if n := wrong.Load(); n > 0 {
			t.Errorf("%d datagrams came to another socket", n)
		}
	})
}
