package packet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// boundWith returns a socket with an option set to 1 before it is bound; option 0: none.
func boundWith(t *testing.T, network, addr string, level, option int) *net.UDPConn {
	t.Helper()
	l := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if option == 0 {
			return nil
		}
		return errors.Join(raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }), err)
	}}
	conn, err := l.ListenPacket(t.Context(), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.UDPConn)
}

// Every sender has its socket, and most sockets have a sender; who binds the port as well is told that it is taken.
func TestSiblingsShareThePort(t *testing.T) {
	for name, test := range map[string]struct{ network, addr, to string }{
		"an address of IPv4":             {"udp4", "127.0.0.1:0", "127.0.0.1"},
		"every address of IPv4":          {"udp4", "0.0.0.0:0", "127.0.0.1"},
		"an address of IPv6":             {"udp6", "[::1]:0", "::1"},
		"every address of IPv6":          {"udp6", "[::]:0", "::1"},
		"every address, asked over IPv4": {"udp", "[::]:0", "127.0.0.1"},
		"every address, asked over IPv6": {"udp", "[::]:0", "::1"},
	} {
		t.Run(name, func(t *testing.T) {
			first := boundWith(t, test.network, test.addr, 0, 0)
			more, err := Siblings(first, 3)
			if err != nil {
				t.Fatal(err)
			}
			all := append([]net.PacketConn{first}, more...)
			type arrival struct {
				socket int
				from   string
			}
			arrivals := make(chan arrival, 1000)
			for i, conn := range all {
				t.Cleanup(func() { _ = conn.Close() })
				if conn.LocalAddr().String() != first.LocalAddr().String() {
					t.Errorf("a sibling is at %v, not %v", conn.LocalAddr(), first.LocalAddr())
				}
				go func() {
					buf := make([]byte, 10)
					for {
						_, from, err := conn.ReadFrom(buf)
						if err != nil {
							return
						}
						arrivals <- arrival{i, from.String()}
					}
				}()
			}
			to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(test.to), first.LocalAddr().(*net.UDPAddr).AddrPort().Port()))
			const senders, each = 40, 5
			for range senders {
				conn, err := net.DialUDP("udp", nil, to)
				if err != nil {
					t.Fatal(err)
				}
				for range each {
					if _, err := conn.Write([]byte("hello")); err != nil {
						t.Fatal(err)
					}
				}
				_ = conn.Close()
			}
			at, sockets := map[string]int{}, map[int]int{}
			for range senders * each {
				select {
				case a := <-arrivals:
					if before, seen := at[a.from]; seen && before != a.socket {
						t.Fatalf("%s is at socket %d and %d", a.from, before, a.socket)
					}
					at[a.from] = a.socket
					sockets[a.socket]++
				case <-time.After(patience):
					t.Fatalf("%v have arrived, want %d", sockets, senders*each)
				}
			}
			if len(sockets) < 3 { // all of 40 at two of four: less than one in 10^11
				t.Errorf("packets by socket: %v", sockets)
			}
			if conn, err := net.ListenPacket(test.network, first.LocalAddr().String()); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("the port can be had once more: %v, %v", conn, err)
			}
		})
	}
}

// What comes before the siblings are there might be another's, so it is nobody's.
func TestWhatComesBeforeTheSiblingsIsDropped(t *testing.T) {
	first := boundWith(t, "udp4", "127.0.0.1:0", 0, 0)
	client := boundWith(t, "udp4", "127.0.0.1:0", 0, 0)
	say := func(p string) {
		t.Helper()
		if _, err := client.WriteTo([]byte(p), first.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		say("early")
	}
	say("") // ends nothing
	say("early")
	more, err := Siblings(first, 1)
	if err != nil {
		t.Fatal(err)
	}
	say("late")
	heard := make(chan string, 2)
	for _, conn := range append(more, first) {
		t.Cleanup(func() { _ = conn.Close() })
		go func() {
			buf := make([]byte, 10)
			if n, _, err := conn.ReadFrom(buf); err == nil {
				heard <- string(buf[:n])
			}
		}()
	}
	select {
	case got := <-heard:
		if got != "late" {
			t.Errorf("heard %q", got)
		}
	case <-time.After(patience):
		t.Error("heard nothing")
	}
}

func TestSocketsThatHaveNoSiblings(t *testing.T) {
	connected, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connected.Close() }()
	for name, conn := range map[string]net.PacketConn{
		"one that is connected":          connected.(*net.UDPConn),
		"one that has others already":    boundWith(t, "udp4", "127.0.0.1:0", unix.SOL_SOCKET, unix.SO_REUSEPORT),
		"one that is not of package net": struct{ net.PacketConn }{boundWith(t, "udp4", "127.0.0.1:0", 0, 0)},
	} {
		if all, err := Siblings(conn, 1); !errors.Is(err, ErrNoSiblings) || all != nil {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
	gone := boundWith(t, "udp4", "127.0.0.1:0", 0, 0)
	_ = gone.Close()
	if all, err := Siblings(gone, 1); err == nil || all != nil {
		t.Errorf("one that is closed: %v, %v", all, err)
	}
}

// Where a sibling cannot be bound, the socket stays what it was.
func TestAPortThatCannotBeHadAgain(t *testing.T) {
	first := boundWith(t, "udp4", "127.0.0.1:0", unix.SOL_SOCKET, unix.SO_REUSEADDR)
	another := boundWith(t, "udp4", first.LocalAddr().String(), unix.SOL_SOCKET, unix.SO_REUSEADDR) // another program's
	if all, err := Siblings(first, 2); !errors.Is(err, syscall.EADDRINUSE) || all != nil {
		t.Errorf("got %v, %v", all, err)
	}
	_ = another.Close()
	l := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	if conn, err := l.ListenPacket(context.Background(), "udp4", first.LocalAddr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("the port is still to be shared: %v, %v", conn, err)
	}
	if all, err := Siblings(first, 2); err != nil || len(all) != 2 {
		t.Errorf("when the other program has ended: %v, %v", all, err)
	} else {
		for _, conn := range all {
			_ = conn.Close()
		}
	}
}

func TestSiblingsHaveTheOptionsOfTheFirst(t *testing.T) {
	first := boundWith(t, "udp6", "[::1]:0", unix.IPPROTO_IPV6, unix.IPV6_FREEBIND)
	more, err := Siblings(first, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = more[0].Close() }()
	raw, err := more[0].(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []int{unix.IPV6_FREEBIND, unix.IPV6_V6ONLY} {
		var got int
		if fault := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, option) }); fault != nil || err != nil || got != 1 {
			t.Errorf("option %d: %d, %v, %v", option, got, fault, err)
		}
	}
}
