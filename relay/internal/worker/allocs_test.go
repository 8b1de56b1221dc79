package worker

import (
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/policy"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// Nothing is allocated for a packet that is relayed, whichever way it goes and however it is wrapped. Package net
// allocates for itself, so this is of the modes with batches.
func TestNothingIsAllocatedPerRelayedPacket(t *testing.T) {
	for _, mode := range []packet.Mode{packet.Offload, packet.Batch} {
		t.Run(mode.String(), func(t *testing.T) {
			w, l, of, client, peer := relaying(t, mode)
			payload := make([]byte, 1000)
			bound := binary.BigEndian.AppendUint16([]byte{0x40, 0}, uint16(len(payload)))
			bound = append(bound, payload...)
			_, unbound := listenUDP(t) // permitted, without a channel
			indication := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
				peerAddress(unbound), stun.RawAttribute{Type: stun.AttrData, Value: payload}).Raw

			out := packet.NewOutbox(w.lost)
			fromClient := func(p []byte) func() {
				arrivals := []packet.Arrival{{Socket: l.socket, Tag: l, Datagrams: repeated(client, p)}}
				return func() { w.receive(out, arrivals) }
			}
			fromPeer := func(from netip.AddrPort) func() {
				arrivals := []packet.Arrival{{Socket: of.socket, Tag: of, Datagrams: repeated(from, payload)}}
				return func() { w.receive(out, arrivals) }
			}
			for name, f := range map[string]func(){
				"ChannelData to a peer":       fromClient(bound),
				"ChannelData to the client":   fromPeer(peer),
				"Send indication to a peer":   fromClient(indication),
				"Data indication to a client": fromPeer(unbound),
			} {
				before := w.crew.Stats()
				if n := testing.AllocsPerRun(200, f); n != 0 {
					t.Errorf("%s: %v allocations for 8 packets", name, n)
				}
				after := w.crew.Stats()
				if got := after.ToPeers.Packets + after.FromPeers.Packets - before.ToPeers.Packets - before.FromPeers.Packets; got < 8*200 {
					t.Errorf("%s: %d packets were relayed", name, got)
				}
			}
		})
	}
}

func repeated(from netip.AddrPort, p []byte) []packet.Datagram {
	all := make([]packet.Datagram, 8)
	for i := range all {
		all[i] = packet.Datagram{From: from, Body: p}
	}
	return all
}

// peerAddress is XOR-PEER-ADDRESS.
type peerAddress netip.AddrPort

func (p peerAddress) AddTo(m *stun.Message) error {
	addr := netip.AddrPort(p)
	return stun.XORMappedAddress{IP: addr.Addr().AsSlice(), Port: int(addr.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

// loopback returns a worker that relays between addresses of this host.
func loopback(t *testing.T, mode packet.Mode) *Worker {
	t.Helper()
	localhost := netip.MustParseAddr("127.0.0.1")
	rules, err := policy.New(policy.Rules{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	crew, err := New(Settings{
		Engine: turn.Config{
			Shared: turn.NewShared(turn.Limits{}),
			Policy: rules,
			Account: func(string, time.Time) turn.Account {
				return turn.Account{User: "alice", Passwords: []string{"secret"}}
			},
		},
		Relays:  [2]Address{{Bind: localhost, Public: localhost}},
		MinPort: 20000, MaxPort: 29999,
		Connections: 100,
		Mode:        mode,
		Logger:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return crew.workers[0]
}

// relaying returns a worker with one client that has a channel to one peer.
func relaying(t *testing.T, mode packet.Mode) (w *Worker, l *listener, of *port, client, peer netip.AddrPort) {
	t.Helper()
	w = loopback(t, mode)
	seen := seeing(w, mode)
	server, _ := listenUDP(t)
	done := make(chan error, 1)
	go func() { done <- w.crew.ServePackets(server) }()
	t.Cleanup(func() {
		_ = w.crew.Close()
		<-done
	})
	to := server.LocalAddr().(*net.UDPAddr)
	conn, client := listenUDP(t)
	from, peer := listenUDP(t)
	ask := asking(t, conn, to)
	ask(stun.MethodAllocate, stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}})
	ask(stun.MethodChannelBind, stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{0x40, 0, 0, 0}}, peerAddress(peer))
	var relayed netip.AddrPort
	w.do(func(e *turn.Engine, _ time.Time) {
		l = w.listeners[1]
		e.Allocations(func(i turn.Info) { relayed = i.Relayed[0] })
	})
	if _, err := from.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(relayed)); err != nil {
		t.Fatal(err)
	}
	return w, l, <-seen, client, peer
}

// seeing returns what tells of a relay socket at which something has come, which is handled no further.
func seeing(w *Worker, mode packet.Mode) <-chan *port {
	seen := make(chan *port, 1)
	w.sockets = packet.NewGroup(mode, func(out *packet.Outbox, arrivals []packet.Arrival) {
		if of, ok := arrivals[0].Tag.(*port); ok {
			select {
			case seen <- of:
			default: // the test calls the handler itself
			}
			return
		}
		w.receive(out, arrivals)
	}, w.lost)
	return seen
}

// asking returns what sends a signed request, and waits for success.
func asking(t *testing.T, conn net.PacketConn, to net.Addr) func(stun.Method, ...stun.Setter) {
	buf := make([]byte, 1500)
	var realm stun.Realm
	var nonce stun.Nonce
	return func(method stun.Method, setters ...stun.Setter) {
		t.Helper()
		for range 2 {
			all := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, setters...)
			if nonce != nil {
				all = append(all, stun.NewUsername("alice"), realm, nonce, stun.NewLongTermIntegrity("alice", realm.String(), "secret"))
			}
			if _, err := conn.WriteTo(stun.MustBuild(all...).Raw, to); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				t.Fatal(err)
			}
			reply := &stun.Message{Raw: slices.Clone(buf[:n])}
			if err := reply.Decode(); err != nil {
				t.Fatal(err)
			}
			if reply.Type.Class == stun.ClassSuccessResponse {
				return
			}
			if nonce != nil {
				t.Fatalf("%v: %v", method, reply)
			}
			_, _ = realm.GetFrom(reply), nonce.GetFrom(reply)
		}
	}
}

func listenUDP(t *testing.T) (net.PacketConn, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}
