package turn

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// The addresses of the tests. Nothing is ever sent to them.
var (
	relay4 = netip.MustParseAddr("198.51.100.1")
	relay6 = netip.MustParseAddr("2001:db8::1")
	peerA  = netip.MustParseAddrPort("8.8.8.8:1000")
	peerB  = netip.MustParseAddrPort("8.8.4.4:2000")
	peer6  = netip.MustParseAddrPort("[2a00:1450:4001::200e]:3000")
)

// lab is a relay of one engine or more, with sockets that are only written down.
type lab struct {
	t       testing.TB
	now     time.Time
	shared  *Shared
	engines []*bench
	clients uint16
}

// bench is what stands around one engine of a lab: its Sink and Ports.
type bench struct {
	*Engine
	lab    *lab
	sent   []sent   // to clients
	out    []posted // to peers
	closed []uint32 // peer connections
	joined [][2]uint32
	dialed []dialed
	called []called
	open   map[netip.AddrPort]*socket
	next   uint16 // port
	fail   map[Family]error
	infos  []Info
}

type sent struct {
	to     Client
	packet []byte
}

type posted struct {
	from, to netip.AddrPort
	body     []byte
	df       bool
}

type dialed struct {
	from, to netip.AddrPort
	id       uint32
}

type called struct {
	engine   int
	id       uint32
	from, to netip.AddrPort
}

// socket is a relay socket that is only written down.
type socket struct {
	b     *bench
	addr  netip.AddrPort
	relay *Relay
}

func (s *socket) Send(peer netip.AddrPort, body []byte, df bool) {
	s.b.out = append(s.b.out, posted{s.addr, peer, slices.Clone(body), df})
}

func (s *socket) Connect(peer netip.AddrPort, id uint32) {
	s.b.dialed = append(s.b.dialed, dialed{s.addr, peer, id})
}

// books guards every bench's open, since a port that was kept may be claimed by another engine.
var books sync.Mutex

func (s *socket) Close() {
	books.Lock()
	defer books.Unlock()
	if s.b.open[s.addr] != s {
		s.b.lab.t.Errorf("%v is closed twice", s.addr)
	}
	delete(s.b.open, s.addr)
}

func (s *socket) Release() { s.Close() }

func (b *bench) bind(f Family, port uint16, r *Relay) *socket {
	addr := relay4
	if f == IPv6 {
		addr = relay6
	}
	s := &socket{b, netip.AddrPortFrom(addr, port), r}
	books.Lock()
	defer books.Unlock()
	b.open[s.addr] = s
	return s
}

func (b *bench) Open(r *Relay, w Wish) (Opened, error) {
	if err := b.fail[w.Family]; err != nil {
		return Opened{}, err
	}
	b.next++
	if w.Even {
		b.next += b.next & 1
	}
	s := b.bind(w.Family, b.next, r)
	o := Opened{Port: s, Relayed: s.addr}
	if w.Pair {
		b.next++
		o.Kept = b.bind(w.Family, b.next, nil)
	}
	return o, nil
}

func (b *bench) Claim(r *Relay, k Kept) (Opened, error) {
	s := k.(*socket)
	s.relay = r
	return Opened{Port: s, Relayed: s.addr}, nil
}

func (b *bench) Listen(r *Relay, f Family) (Opened, error) {
	if err := b.fail[f]; err != nil {
		return Opened{}, err
	}
	b.next++
	s := b.bind(f, b.next, r)
	return Opened{Listener: s, Relayed: s.addr}, nil
}

func (b *bench) ToClient(c Client, p Packet) {
	b.sent = append(b.sent, sent{c, p.AppendTo(nil)})
}

func (b *bench) Across(engine int, from, to netip.AddrPort, body []byte) {
	b.lab.engines[engine].FromInside(b.lab.now, from, to, slices.Clone(body))
}

// Call is answered by reply: the engine is in a method of its own.
func (b *bench) Call(engine int, id uint32, from, to netip.AddrPort) {
	b.called = append(b.called, called{engine, id, from, to})
}

// reply lets the engines that were called answer, and returns how many connections came of it.
func (b *bench) reply() (made int) {
	for _, c := range b.called {
		if _, ok := b.lab.engines[c.engine].Called(b.lab.now, c.from, c.to); ok && b.Connected(b.lab.now, c.id) {
			made++
		} else {
			b.Failed(c.id)
		}
	}
	b.called = nil
	return made
}

func (b *bench) Join(x, y uint32)    { b.joined = append(b.joined, [2]uint32{x, y}) }
func (b *bench) CloseConn(id uint32) { b.closed = append(b.closed, id) }

// relayAt returns the relay that has an address.
func (b *bench) relayAt(addr netip.AddrPort) *Relay {
	b.lab.t.Helper()
	s := b.open[addr]
	if s == nil {
		b.lab.t.Fatalf("no relay socket has %v", addr)
	}
	return s.relay
}

// peers is a real policy with the lab's addresses.
func peers(t testing.TB, rules policy.Rules) *policy.Policy {
	t.Helper()
	rules.Relayed = []netip.Addr{relay4, relay6}
	rules.Interfaces = func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("9.9.9.9")}, nil }
	p, err := policy.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// users are the accounts of a lab: alice, bob and a few odd ones, with the password "secret".
func users(username string, _ time.Time) Account {
	switch username {
	case "alice", "bob":
		return Account{User: username, Passwords: []string{"secret"}}
	case "rotated":
		return Account{User: username, Passwords: []string{"new", "secret"}}
	case "late":
		return Account{User: username, Passwords: []string{"secret"}, Expires: start.Add(time.Hour)}
	}
	return Account{}
}

var start = time.Unix(1_800_000_000, 0)

// setup is what a test changes of the configuration of a lab.
type setup struct {
	engines int // default 1
	limits  Limits
	rules   policy.Rules
	change  func(*Config)
}

func newLab(t testing.TB, s setup) *lab {
	t.Helper()
	l := &lab{t: t, now: start, shared: NewShared(s.limits)}
	judge := peers(t, s.rules)
	for i := range max(1, s.engines) {
		b := &bench{lab: l, open: map[netip.AddrPort]*socket{}, next: uint16(50000 + 1000*i), fail: map[Family]error{}}
		cfg := Config{
			Shared: l.shared, Index: i, Ports: b, Sink: b, Policy: judge, Account: users, TCP: true, DontFragment: true,
			Ended: func(i Info) { b.infos = append(b.infos, i) },
		}
		if s.change != nil {
			s.change(&cfg)
		}
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		b.Engine = e
		l.engines = append(l.engines, b)
	}
	return l
}

// pass lets time pass, as a caller that minds Next would.
func (l *lab) pass(d time.Duration) {
	l.t.Helper()
	end := l.now.Add(d)
	for _, b := range l.engines {
		for n := 0; ; n++ {
			next := b.Next()
			if next.IsZero() || next.After(end) {
				break
			}
			if n > 100_000 {
				l.t.Fatalf("Next does not get beyond %v", next)
			}
			b.Expire(next)
		}
		b.Expire(end)
	}
	l.now = end
}

// idle fails the test unless nothing is left of anything.
func (l *lab) idle() {
	l.t.Helper()
	for i, b := range l.engines {
		if len(b.allocations) != 0 || len(b.schedule) != 0 || len(b.reserved) != 0 || len(b.open) != 0 {
			l.t.Errorf("engine %d has %d allocations, %d in the schedule, %d reservations, %d sockets open; want none",
				i, len(b.allocations), len(b.schedule), len(b.reserved), len(b.open))
		}
		if !b.Next().IsZero() {
			l.t.Errorf("engine %d waits for %v, want for nothing", i, b.Next())
		}
	}
	s := l.shared
	if n := len(s.directory.byAddr) + len(s.streams.byAddr) + len(s.kept.byToken) + len(s.connections.byID) + len(s.quota.users) + len(s.quota.sources) + s.quota.sum + s.quota.count; n != 0 {
		l.t.Errorf("what is shared is not empty: %+v", s.quota.users)
	}
}

// drops fails the test unless the engine has dropped exactly that since it was last asked.
func (b *bench) drops(want map[string]uint64) {
	b.lab.t.Helper()
	got := b.counters.Drops()
	b.counters.DropsBy = [drops]uint64{}
	if len(got) != len(want) {
		b.lab.t.Errorf("dropped %v, want %v", got, want)
		return
	}
	for name, n := range want {
		if got[name] != n {
			b.lab.t.Errorf("dropped %v, want %v", got, want)
		}
	}
}
