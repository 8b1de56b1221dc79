//go:build linux

package lab

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestPacketsCrossTheLinks(t *testing.T) {
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	n, err := Veth()
	if err != nil {
		if os.Geteuid() != 0 && !errors.Is(err, ErrRoot) {
			t.Fatalf("without root: %v", err)
		}
		t.Skip(err)
	}
	defer n.Close()
	for name, test := range map[string]struct {
		from, to     func(func() error) error
		server, addr netip.Addr
	}{
		"from a client to the server": {n.AtClient, n.AtServer, n.Server, n.Client},
		"from a peer to the server":   {n.AtPeer, n.AtServer, n.Relay, n.Peer},
	} {
		var server, client *net.UDPConn
		err := errors.Join(
			test.to(func() (err error) {
				server, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(test.server, 0)))
				return err
			}),
			test.from(func() (err error) {
				client, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(test.addr, 0)))
				return err
			}))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		to := server.LocalAddr().(*net.UDPAddr)
		if _, err := client.WriteTo([]byte("a packet"), to); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		buf := make([]byte, 100)
		_ = server.SetReadDeadline(time.Now().Add(10 * time.Second))
		if got, _, err := server.ReadFrom(buf); err != nil || string(buf[:got]) != "a packet" {
			t.Errorf("%s: %q, %v", name, buf[:got], err)
		}
		server.Close()
		client.Close()
	}
	if after, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || after != before {
		t.Errorf("the test is in %s, was in %s, %v", after, before, err)
	}
}

func TestProcessorsAreDivided(t *testing.T) {
	p, err := Divide()
	if err != nil {
		t.Skip(err)
	}
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	if p.Load.Count() != 1 || p.Relays.Count() != all.Count()-1 {
		t.Errorf("%d for the load, %d for relays, of %d", p.Load.Count(), p.Relays.Count(), all.Count())
	}
	for name, set := range map[string]*unix.CPUSet{"the load's": p.Load, "the relays'": p.Relays} {
		err := Confine(set, func() error {
			var here unix.CPUSet
			err := unix.SchedGetaffinity(0, &here)
			if here != *set {
				t.Errorf("%s: %v, want %v", name, here, *set)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Confine(nil, func() error { return nil }); err != nil {
		t.Error(err)
	}
}
