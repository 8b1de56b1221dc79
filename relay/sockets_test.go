package relay

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestClientsAreToldOfUnreachablePeers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("ICMP errors are told on Linux only")
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			cfg := both()
			cfg.AllowLoopback = true
			server := newServer(t, cfg)
			r := newRequester(t, startAt(t, server, "127.0.0.1"), "alice", "secret")
			family, icmp := byte(1), []byte{0, 0, 3 << 1, 3} // destination unreachable, port unreachable
			if host == "::1" {
				family, icmp = 2, []byte{0, 0, 1 << 1, 4}
			}
			if got := codeOf(r.request(stun.MethodAllocate, transportUDP, attribute(stun.AttrRequestedAddressFamily, family, 0, 0, 0))); got != 0 {
				t.Fatalf("Allocate: %d", got)
			}
			closed := listenAt(t, host)
			nobody := peer(closed.LocalAddr().(*net.UDPAddr).AddrPort())
			_ = closed.Close()
			open := listenAt(t, host)
			somebody := peer(open.LocalAddr().(*net.UDPAddr).AddrPort())
			if got := codeOf(r.request(stun.MethodCreatePermission, nobody)); got != 0 {
				t.Fatalf("CreatePermission: %d", got)
			}
			say := func(to peer) {
				t.Helper()
				p := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), to, attribute(stun.AttrData, 1, 2, 3, 4)).Raw
				if _, err := r.conn.Write(p); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 { // each time anew
				say(nobody)
				buf := make([]byte, 2048)
				if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				n, err := r.conn.Read(buf)
				if err != nil {
					t.Fatalf("no word of it: %v; stats %+v", err, server.Stats())
				}
				m := stun.New()
				if _, err := m.Write(buf[:n]); err != nil {
					t.Fatal(err)
				}
				got, err := m.Get(0x8004)
				if err != nil || m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) || !bytes.Equal(got[:4], icmp) {
					t.Errorf("got %v with ICMP % x, %v, want % x", m, got, err, icmp)
				}
				if addr := xored(t, m, stun.AttrXORPeerAddress); addr.IP.String() != host || addr.Port != int(netip.AddrPort(nobody).Port()) {
					t.Errorf("it is about %v, want %v", addr, netip.AddrPort(nobody))
				}
			}
			// The error of one peer costs another nothing.
			for i := range 20 {
				say(nobody)
				say(somebody)
				if err := open.SetReadDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				if n, _, err := open.ReadFrom(make([]byte, 100)); err != nil || n != 4 {
					t.Fatalf("packet %d to a peer that is there: %d bytes, %v", i, n, err)
				}
			}
		})
	}
}

func TestPacketsThatMustNotBeFragmentedGoOut(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the DF bit is set on Linux only")
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		cfg := both()
		cfg.AllowLoopback = true
		server := newServer(t, cfg)
		r := newRequester(t, startAt(t, server, "127.0.0.1"), "alice", "secret")
		family := byte(1)
		if host == "::1" {
			family = 2
		}
		if got := codeOf(r.request(stun.MethodAllocate, transportUDP, attribute(stun.AttrDontFragment),
			attribute(stun.AttrRequestedAddressFamily, family, 0, 0, 0))); got != 0 {
			t.Fatalf("Allocate: %d", got)
		}
		open := listenAt(t, host)
		to := peer(open.LocalAddr().(*net.UDPAddr).AddrPort())
		if got := codeOf(r.request(stun.MethodCreatePermission, to)); got != 0 {
			t.Fatalf("CreatePermission: %d", got)
		}
		for _, fragment := range []bool{false, true, false} {
			setters := []stun.Setter{stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), to, attribute(stun.AttrData, make([]byte, 1000)...)}
			if !fragment {
				setters = append(setters, attribute(stun.AttrDontFragment))
			}
			if _, err := r.conn.Write(stun.MustBuild(setters...).Raw); err != nil {
				t.Fatal(err)
			}
			if err := open.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if n, _, err := open.ReadFrom(make([]byte, 2000)); err != nil || n != 1000 {
				t.Errorf("%s: got %d bytes, %v", host, n, err)
			}
		}
	}
}

func TestAReservedPortIsClaimedByItsToken(t *testing.T) {
	server, addr := serve(t, Config{AllowLoopback: true})
	first := newRequester(t, addr, "alice", "secret")
	response := first.request(stun.MethodAllocate, transportUDP, attribute(stun.AttrEvenPort, 0x80))
	if got := codeOf(response); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	even := xored(t, response, stun.AttrXORRelayedAddress).Port
	token, err := response.Get(stun.AttrReservationToken)
	if err != nil || even%2 != 0 {
		t.Fatalf("port %d and token % x, %v", even, token, err)
	}
	second := newRequester(t, addr, "bob", "secret")
	response = second.request(stun.MethodAllocate, transportUDP, attribute(stun.AttrReservationToken, token...))
	if got := codeOf(response); got != 0 {
		t.Fatalf("Allocate with the token: %d", got)
	}
	if odd := xored(t, response, stun.AttrXORRelayedAddress).Port; odd != even+1 {
		t.Errorf("the ports are %d and %d", even, odd)
	}
	there := listen(t)
	to := peer(there.LocalAddr().(*net.UDPAddr).AddrPort())
	if got := codeOf(second.request(stun.MethodChannelBind, attribute(stun.AttrChannelNumber, 0x40, 0, 0, 0), to)); got != 0 {
		t.Fatalf("ChannelBind: %d", got)
	}
	if _, err := second.conn.Write([]byte("\x40\x00\x00\x05hello")); err != nil {
		t.Fatal(err)
	}
	from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: even + 1}
	expect(t, there, []byte("hello"), from)
	send(t, there, []byte("hello"), from)
	if err := second.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := second.conn.Read(buf); err != nil || binary.BigEndian.Uint16(buf) != 0x4000 || n != 9 {
		t.Errorf("got % x, %v", buf[:n], err)
	}
	if got := server.Stats().Allocations; got != 2 {
		t.Errorf("%d allocations, want 2", got)
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func TestRunningOutOfPortsIsLoggedOnce(t *testing.T) {
	port := freePort(t)
	log := &lines{}
	server, err := New(Config{
		PublicIP: localhost, RelayBind: localhost, MinPort: port, MaxPort: port, MaxAllocations: 10,
		Users: map[string]string{"alice": "secret"}, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	addr := start(t, server)
	allocate(t, addr, "alice", "secret")
	for range 5 {
		refused(t, newClient(t, addr, "alice", "secret"), "508")
	}
	eventually(t, server, "five refusals", func(s Stats) bool { return s.Refusals["no-port"] == 5 })
	if got := log.count("no relay port to be had"); got != 1 {
		t.Errorf("%d log lines about it, want 1:\n%s", got, &log.buf)
	}
	if got := log.count("allocation made"); got != 1 {
		t.Errorf("%d log lines about allocations, want 1", got)
	}
}
