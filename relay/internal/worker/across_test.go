package worker

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/policy"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// pairOf is a crew of two with an allocation at each, the clients of which may reach each other. Nothing is served: the test hands in
// what comes, and what goes to clients leaves by their worker's listener.
type pairOf struct {
	crew    *Crew
	clients [2]turn.Client
	sockets [2]net.PacketConn // of the clients
	relayed [2]netip.AddrPort
}

func newPair(t *testing.T) *pairOf {
	t.Helper()
	localhost := netip.MustParseAddr("127.0.0.1")
	rules, err := policy.New(policy.Rules{Relayed: []netip.Addr{localhost}})
	if err != nil {
		t.Fatal(err)
	}
	crew, err := New(Settings{
		Workers: 2,
		Engine: turn.Config{
			Shared:  turn.NewShared(turn.Limits{}),
			Policy:  rules,
			Relayed: rules.Own,
			Account: func(string, time.Time) turn.Account {
				return turn.Account{User: "alice", Passwords: []string{"secret"}}
			},
		},
		Relays:  [2]Address{{Bind: localhost, Public: localhost}},
		MinPort: 20000, MaxPort: 29999, Connections: 100,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = crew.Close() })
	p := &pairOf{crew: crew}
	for i, w := range crew.workers {
		server, _ := listenUDP(t)
		l, err := w.listen(server)
		if err != nil {
			t.Fatal(err)
		}
		l.enter()
		t.Cleanup(func() { w.leave(l.socket) })
		conn, from := listenUDP(t)
		p.sockets[i], p.clients[i] = conn, turn.Client{Addr: from, Transport: turn.UDP, Listener: l.number}
		p.ask(t, i, stun.MethodAllocate, stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}})
		w.do(func(e *turn.Engine, _ time.Time) {
			e.Allocations(func(info turn.Info) { p.relayed[i] = info.Relayed[0] })
		})
	}
	for i := range p.clients {
		p.ask(t, i, stun.MethodChannelBind, stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{0x40, 0, 0, 0}}, peerAddress(p.relayed[1-i]))
	}
	return p
}

// ask has a client's request succeed.
func (p *pairOf) ask(t *testing.T, i int, method stun.Method, setters ...stun.Setter) {
	t.Helper()
	var realm stun.Realm
	var nonce stun.Nonce
	for range 2 {
		all := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, setters...)
		if nonce != nil {
			all = append(all, stun.NewUsername("alice"), realm, nonce, stun.NewLongTermIntegrity("alice", realm.String(), "secret"))
		}
		p.say(i, stun.MustBuild(all...).Raw)
		reply := stun.New()
		if _, err := reply.Write(p.heard(t, i)); err != nil {
			t.Fatal(err)
		}
		if reply.Type.Class == stun.ClassSuccessResponse {
			return
		}
		_, _ = realm.GetFrom(reply), nonce.GetFrom(reply)
	}
	t.Fatalf("%v is refused", method)
}

// say hands in a datagram of a client.
func (p *pairOf) say(i int, body []byte) {
	w := p.crew.workers[i]
	w.do(func(e *turn.Engine, now time.Time) { e.FromClient(now, p.clients[i], body) })
}

// heard returns the next datagram for a client.
func (p *pairOf) heard(t *testing.T, i int) []byte {
	t.Helper()
	buf := make([]byte, 1500)
	if err := p.sockets[i].SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, _, err := p.sockets[i].ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// What one worker's client sends to another's is handed over without a copy on the heap.
func TestNothingIsAllocatedFromWorkerToWorker(t *testing.T) {
	p := newPair(t)
	message := []byte("\x40\x00\x00\x05hello\x00\x00\x00")
	p.say(0, message)
	if got := p.heard(t, 1); string(got) != "\x40\x00\x00\x05hello" {
		t.Fatalf("the other client got %q", got)
	}
	out := packet.NewOutbox(p.crew.workers[0].lost)
	l := p.crew.workers[0].listeners[1]
	arrivals := []packet.Arrival{{Socket: l.socket, Tag: l, Datagrams: repeated(p.clients[0].Addr, message)}}
	before := p.crew.Stats()
	if n := testing.AllocsPerRun(200, func() { p.crew.workers[0].receive(out, arrivals) }); n != 0 {
		t.Errorf("%v allocations for 8 packets", n)
	}
	after := p.crew.Stats()
	if to, from := after.ToPeers.Packets-before.ToPeers.Packets, after.FromPeers.Packets-before.FromPeers.Packets; to != 8*201 || from != 8*201 {
		t.Errorf("%d packets were relayed to peers and %d from them, want %d", to, from, 8*201)
	}
}

// Two workers that feed each other at once, from several goroutines, do not wait for each other for ever, also when the crew is closed
// meanwhile.
func TestWorkersThatFeedEachOtherDoNotLock(t *testing.T) {
	p := newPair(t)
	message := []byte("\x40\x00\x00\x05hello\x00\x00\x00")
	var said atomic.Int64
	var group sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					p.say(i%2, message)
					said.Add(1)
				}
			}
		})
	}
	for deadline := time.Now().Add(30 * time.Second); said.Load() < 20_000; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d packets in 30 s", said.Load())
		}
	}
	for i := range p.clients {
		p.heard(t, i)
	}
	for _, w := range p.crew.workers {
		w.stop()
	}
	at := said.Load()
	for deadline := time.Now().Add(30 * time.Second); said.Load() < at+1000; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("they wait for each other when the engines are closed")
		}
	}
	close(stop)
	group.Wait()
	if stats := p.crew.Stats(); stats.ToPeers.Packets == 0 || stats.FromPeers.Packets > stats.ToPeers.Packets || stats.Allocations != 0 {
		t.Errorf("stats are %+v", stats)
	}
}
