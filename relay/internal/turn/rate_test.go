package turn

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestNewPeersComeAtARate(t *testing.T) {
	l := newLab(t, setup{change: func(c *Config) { c.Permissions = 1000 }})
	u := l.user("alice", UDP)
	u.allocate()
	got := func() (n int) {
		for i := len(u.b.allocations[u.client.tuple()].permissions); codeOf(u.once(stun.MethodCreatePermission, peer(nth(i)))) == 0; i++ {
			n++
		}
		return n
	}
	if n := got(); n != 100 {
		t.Errorf("%d at once, want 100", n)
	}
	l.pass(time.Second)
	if n := got(); n != 20 {
		t.Errorf("%d after a second, want 20", n)
	}
	l.pass(5 * time.Second)
	if n := got(); n != 100 {
		t.Errorf("%d after five, want 100", n)
	}
	u.permit(nth(0)) // what is known is no new peer
}

// A stranger that comes to several engines, as one does that makes up ports, gets no more answers for it.
func TestEnginesHaveOneBudgetForStrangers(t *testing.T) {
	l := newLab(t, setup{engines: 3, change: func(c *Config) { c.Sink = discard{} }})
	p := build(stun.MethodBinding, stun.ClassRequest)
	var answered uint64
	for range 10_000 {
		l.now = l.now.Add(time.Millisecond)
		for _, b := range l.engines {
			b.FromClient(l.now, Client{Addr: netip.MustParseAddrPort("192.0.2.77:1"), Transport: UDP}, p)
		}
	}
	for _, b := range l.engines {
		answered += b.Counters().Bindings
	}
	if answered < 1000 || answered > 1300 {
		t.Errorf("one source got %d answers in 10 s, want about 1000 and what may come at once", answered)
	}
}

// Strangers over UDP get answers within a budget and leave nothing behind.
func TestBudgetForStrangers(t *testing.T) {
	l := newLab(t, setup{change: func(c *Config) { c.Sink = discard{}; c.AnswersPerSource, c.Answers = 100, 20000 }})
	e := l.engines[0]
	known := l.user("alice", UDP)
	known.nonce = e.nonces.appendTo(nil, l.now, known.client.Addr.Addr())
	p := build(stun.MethodAllocate, stun.ClassRequest, transport(protocolUDP))
	answered := func() uint64 { return e.counters.RefusalsBy[RefusedChallenge] }
	one := Client{Addr: netip.MustParseAddrPort("192.0.2.77:1"), Transport: UDP}
	for range 10_000 {
		l.now = l.now.Add(time.Millisecond)
		e.FromClient(l.now, one, p)
	}
	if got := answered(); got < 1000 || got > 1300 {
		t.Errorf("one source got %d answers in 10 s at 1000 requests a second, want about 1000 and what may come at once", got)
	}
	before := answered()
	var m0, m1 runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m0)
	for i := range 300_000 { // 100,000 a second
		l.now = l.now.Add(10 * time.Microsecond)
		e.FromClient(l.now, Client{Addr: nth(i * 97), Transport: UDP}, p)
	}
	runtime.GC()
	runtime.ReadMemStats(&m1)
	if got := answered() - before; got < 60_000 || got > 64_000 {
		t.Errorf("many sources got %d answers in 3 s, want 60000 and what may come at once", got)
	}
	if grown := int64(m1.HeapAlloc) - int64(m0.HeapAlloc); grown > 1<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if got := e.counters.Drops()["budget"]; got != 310_000-answered() {
		t.Errorf("%d dropped, want all the others", got)
	}
	// Who has a nonce is served meanwhile.
	if e.FromClient(l.now, known.client, known.sign(stun.MethodAllocate, transport(protocolUDP))); !e.Has(known.client) {
		t.Error("a client with a nonce is not served")
	}
	binding := build(stun.MethodBinding, stun.ClassRequest)
	counted := e.counters.Bindings
	for range 10_000 {
		e.FromClient(l.now, one, binding)
	}
	if got := e.counters.Bindings - counted; got > 300 {
		t.Errorf("%d Binding requests of one source answered at once", got)
	}
	for range 1000 { // over TCP the address is real
		e.FromClient(l.now, Client{Addr: one.Addr, Transport: TCP, Conn: 1}, binding)
	}
	if got := e.counters.Bindings - counted; got < 1000 {
		t.Errorf("%d Binding requests over TCP answered, want 1000", got)
	}
	e.Close()
	l.idle()
}

// Bits per second, of an allocation and of all engines together, are kept to 5 %.
func TestBitsPerSecond(t *testing.T) {
	const rate = 1_000_000 // bits
	for name, test := range map[string]struct {
		one, all int64
		engines  int
		size     int
		want     float64 // bits per second through two allocations
	}{
		"no limit":                           {0, 0, 1, 1000, 16_000_000},
		"per allocation":                     {rate, 0, 1, 1000, 2 * rate},
		"per allocation, small packets":      {rate, 0, 1, 130, 2 * rate},
		"per allocation, large packets":      {rate, 0, 1, 15000, 2 * rate},
		"in all":                             {0, rate, 1, 1000, rate},
		"in all, at two engines":             {0, rate, 2, 1000, rate},
		"both, where the allocations' holds": {rate, 10 * rate, 2, 1000, 2 * rate},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{engines: test.engines, limits: Limits{Bits: test.all}, change: func(c *Config) { c.Bits = test.one }})
			var users []*requester
			for i := range 2 {
				u := l.user("alice", UDP)
				u.b = l.engines[i%test.engines]
				u.allocate()
				u.bind(0x4000, peerA)
				users = append(users, u)
			}
			p := binary.BigEndian.AppendUint16([]byte{0x40, 0}, uint16(test.size))
			p = append(p, make([]byte, test.size)...)
			step := 125 * time.Microsecond * time.Duration(test.size) / 125 // 8 Mbit/s each
			sum := func() (n uint64) {
				for _, b := range l.engines {
					n += b.counters.ToPeers.Bytes
				}
				return n
			}
			const seconds = 20
			for end := l.now.Add(seconds * time.Second); l.now.Before(end); l.now = l.now.Add(step) {
				for _, u := range users {
					u.b.out = nil
					u.b.FromClient(l.now, u.client, p)
				}
			}
			if got := float64(sum()) * 8 / seconds; got < test.want*0.95 || got > test.want*1.05 {
				t.Errorf("%.0f bit/s, want %.0f within 5 %%", got, test.want)
			}
			for _, b := range l.engines {
				for reason := range b.counters.Drops() {
					if reason != "rate" && reason != "total-rate" {
						t.Errorf("dropped as %s", reason)
					}
				}
			}
		})
	}
}

// What streams carry is within the limits, too: each asks for its turn, carries, and waits as long as it is told.
func TestBitsPerSecondOfStreams(t *testing.T) {
	const rate = 8_000_000 // bits
	for name, test := range map[string]struct {
		one, all int64
		chunk    int
		datagram int // besides, a flood of datagrams of this size through an allocation of its own
		want     float64
	}{
		"per allocation":                           {rate, 0, 32 << 10, 0, 3 * rate},
		"per allocation, small chunks":             {rate, 0, 1000, 0, 3 * rate},
		"in all":                                   {0, rate, 32 << 10, 0, rate},
		"in all, small chunks":                     {0, rate, 1000, 0, rate},
		"in all, beside datagrams":                 {0, rate, 8 << 10, 1000, rate},
		"both, where the limit of all is reached":  {rate, 2 * rate, 32 << 10, 0, 2 * rate},
		"both, where it is not, beside datagrams":  {rate, 10 * rate, 32 << 10, 1000, 4 * rate},
		"both, where it is reached with datagrams": {rate, 2 * rate, 8 << 10, 1000, 2 * rate},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{limits: Limits{Bits: test.all}, change: func(c *Config) { c.Bits = test.one }})
			type stream struct {
				id     uint32
				next   time.Time // when it goes on
				waited bool      // for its turn
			}
			var streams []*stream
			b := l.engines[0]
			for i := range 3 {
				u, _ := l.tcpUser("alice", TCP)
				u.once(stun.MethodConnect, peer(nth(i)))
				s := &stream{id: b.dialed[i].id}
				if !b.Connected(l.now, s.id) {
					t.Fatal("the connection is not wanted")
				}
				v := l.user("alice", TCP)
				v.once(stun.MethodConnectionBind, connectionID(s.id))
				streams = append(streams, s)
			}
			v := l.user("bob", UDP)
			v.allocate()
			v.bind(0x4000, peerA)
			p := append(binary.BigEndian.AppendUint16([]byte{0x40, 0}, uint16(test.datagram)), make([]byte, test.datagram)...)
			carried := make(map[uint32]float64)
			const seconds = 20
			before := b.counters.ToPeers.Bytes
			for end := l.now.Add(seconds * time.Second); l.now.Before(end); l.now = l.now.Add(100 * time.Microsecond) {
				for i, s := range streams {
					if l.now.Before(s.next) {
						continue
					}
					if s.waited = !s.waited; s.waited {
						s.next = l.now.Add(l.shared.Carry(l.now, test.chunk))
						continue
					}
					s.next = l.now.Add(b.Carried(l.now, s.id, i%2 == 0, test.chunk))
					carried[s.id] += float64(test.chunk) * 8 / seconds
				}
				if test.datagram > 0 { // 80 Mbit/s
					b.out = nil
					b.FromClient(l.now, v.client, p)
				}
			}
			datagrams := float64(b.counters.ToPeers.Bytes-before) * 8 / seconds
			sum := datagrams
			for i, s := range streams {
				sum += carried[s.id]
				if i%2 == 0 { // counted already
					datagrams -= carried[s.id]
					sum -= carried[s.id]
				}
				if carried[s.id] < test.want/40 {
					t.Errorf("stream %d carries %.0f bit/s of %.0f", i, carried[s.id], test.want)
				}
			}
			if sum < test.want*0.95 || sum > test.want*1.05 {
				t.Errorf("%.0f bit/s, want %.0f within 5 %%", sum, test.want)
			}
			if test.datagram > 0 && datagrams < test.want/40 {
				t.Errorf("datagrams get %.0f bit/s of %.0f", datagrams, test.want)
			}
			t.Logf("%.0f bit/s, datagrams %.0f, streams %v", sum, datagrams, carried)
		})
	}
}
