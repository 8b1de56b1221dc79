package relay

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// planted are services of this host that nobody has opened to the clients of the relay.
const planted = 40

// A permission is for an address, and that of our own relays must be allowed, since other clients have it, too. It must
// not open the services behind it: of every port there is, only those of allocations are reached.
func TestAPermissionForTheRelaysAddressOpensNoServiceOfThisHost(t *testing.T) {
	mapped := both()
	mapped.PublicIP = netip.MustParseAddr("198.51.100.7")
	for name, test := range map[string]struct {
		cfg      Config
		host, at string // where the services are, and the address that clients know it by
	}{
		"over IPv4":                              {both(), "127.0.0.1", "127.0.0.1"},
		"over IPv6":                              {both(), "::1", "::1"},
		"by the public address of a mapping":     {mapped, "127.0.0.1", "198.51.100.7"},
		"by the address that a mapping leads to": {mapped, "127.0.0.1", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			at := netip.MustParseAddr(test.at)
			services := make([]net.PacketConn, planted)
			for i := range services {
				services[i] = listenAt(t, test.host)
			}
			server := newServer(t, test.cfg)
			start(t, server)                            // a service, too
			_, _ = open(t, server, "UDP", "::1", "bob") // an allocation that has no permission for alice's
			c, _ := newController(t, startStreams(t, "127.0.0.1", server.ServeTCP), false)
			response := c.signed(stun.MethodAllocate, transportUDP, attribute(stun.AttrRequestedAddressFamily, familyOf(at), 0, 0, 0))
			if got := codeOf(response); got != 0 {
				t.Fatalf("Allocate: %d", got)
			}
			advertised := xored(t, response, stun.AttrXORRelayedAddress)
			relayed := netip.AddrPortFrom(netip.MustParseAddr(test.host), uint16(advertised.Port))
			seen := peer((&net.UDPAddr{IP: advertised.IP, Port: 1}).AddrPort())
			if got := codeOf(c.signed(stun.MethodCreatePermission, peer(netip.AddrPortFrom(at, 1)), peer(relayed), seen)); got != 0 {
				t.Fatalf("CreatePermission: %d", got)
			}

			inside := uint64(1) // alice's own allocation
			if at.Is4() {
				inside++ // bob's
			}

			sendEverywhere(t, server, c, at)
			if m := c.next(); m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
				t.Errorf("alice got %v, want what she sent to herself", m)
			}
			wanted := math.MaxUint16 - inside
			if got := server.Stats().Drops["to-own-address"]; got != wanted {
				t.Errorf("%d packets were dropped, want %d: one per port", got, wanted)
			}

			for i, service := range services {
				number := binary.BigEndian.AppendUint16(nil, 0x4000+uint16(i))
				to := peer(netip.AddrPortFrom(at, portOf(service)))
				if got := codeOf(c.signed(stun.MethodChannelBind, attribute(stun.AttrChannelNumber, append(number, 0, 0)...), to)); got != 0 {
					t.Fatalf("ChannelBind: %d", got)
				}
				if _, err := c.Write(append(number, 0, 4, 'p', 's', 's', 't')); err != nil {
					t.Fatal(err)
				}
				wanted++
			}
			eventually(t, server, "a drop per channel", func(s Stats) bool { return s.Drops["to-own-address"] == wanted })

			// Nor do the services reach the client, to whom their address has a permission.
			for _, service := range services {
				send(t, service, []byte("psst"), net.UDPAddrFromAddrPort(relayed))
			}
			eventually(t, server, "a drop per service", func(s Stats) bool { return s.Drops["from-own-address"] == planted })

			// The first that each service gets is what the test itself sends now.
			own := listenAt(t, test.host)
			for _, service := range services {
				send(t, own, []byte("hello"), service.LocalAddr())
				expect(t, service, []byte("hello"), own.LocalAddr())
			}
			stats := server.Stats()
			if stats.ToPeers.Packets != inside || stats.FromPeers.Packets != 1 || stats.Bindings != 0 {
				t.Errorf("relayed %+v and %+v, with %d bindings", stats.ToPeers, stats.FromPeers, stats.Bindings)
			}
		})
	}
}

// sendEverywhere sends a packet to every port of an address by indications, over a stream so that none is lost, and
// waits until the server has had each.
func sendEverywhere(t *testing.T, server *Server, c *controller, at netip.Addr) {
	t.Helper()
	const step = 1 << 12
	for first := 1; first <= math.MaxUint16; first += step {
		var some []byte
		for port := first; port < first+step && port <= math.MaxUint16; port++ {
			some = append(some, stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
				peer(netip.AddrPortFrom(at, uint16(port))), attribute(stun.AttrData, 'p', 's', 's', 't')).Raw...)
		}
		if _, err := c.Write(some); err != nil {
			t.Fatal(err)
		}
		had := uint64(min(first+step-1, math.MaxUint16))
		eventually(t, server, "what became of each packet", func(s Stats) bool { return s.ToPeers.Packets+s.Drops["to-own-address"] == had })
	}
}

// Connect reaches only what listens at the address of an allocation.
func TestAConnectToTheRelaysAddressOpensNoServiceOfThisHost(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		cfg := tcpConfig()
		cfg.AllowLoopback = false
		server := newServer(t, cfg)
		t.Cleanup(func() { _ = server.Close() })
		serving := startStreams(t, "127.0.0.1", server.ServeTCP)
		c, _ := newController(t, serving, false)
		at := netip.MustParseAddr(host)
		if got := codeOf(c.signed(stun.MethodAllocate, transportTCP, attribute(stun.AttrRequestedAddressFamily, familyOf(at), 0, 0, 0))); got != 0 {
			t.Fatalf("Allocate: %d", got)
		}
		before := server.Stats().Connections
		to := []netip.AddrPort{netip.AddrPortFrom(at, netip.MustParseAddrPort(serving).Port())}
		listeners := make([]*net.TCPListener, planted)
		for i := range listeners {
			l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			listeners[i] = l.(*net.TCPListener)
			to = append(to, l.Addr().(*net.TCPAddr).AddrPort())
		}
		for _, to := range to {
			if got := codeOf(c.signed(stun.MethodConnect, peer(to))); got != 447 {
				t.Errorf("Connect to %v: %d, want 447", to, got)
			}
		}
		// The first that each listener accepts is the test itself, now.
		for _, l := range listeners {
			own, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = own.Close() }()
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = accepted.Close() }()
			if accepted.RemoteAddr().String() != own.LocalAddr().String() {
				t.Errorf("%v has connected to %v", accepted.RemoteAddr(), l.Addr())
			}
		}
		if got := server.Stats().Connections; got != before {
			t.Errorf("the server has %d connections, want %d", got, before)
		}
	}
}

func familyOf(addr netip.Addr) byte {
	if addr.Is4() {
		return 1
	}
	return 2
}

func portOf(conn net.PacketConn) uint16 { return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }
