package client

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tally counts what was done, by name. It may be used concurrently.
type tally struct {
	mu     sync.Mutex
	counts map[string]int // guarded by mu
}

func (c *tally) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[name]++
}

func (c *tally) of(names ...string) (sum int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		sum += c.counts[name]
	}
	return sum
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.counts)) {
		fmt.Fprintf(&b, ", %s %d", name, c.counts[name])
	}
	return strings.TrimPrefix(b.String(), ", ")
}

// What a gremlin does to one direction of a connection, after some bytes.
const (
	cuts    = "cut"         // both directions end, as if the other side had closed
	resets  = "reset"       // both directions break off
	halves  = "half-closed" // this direction ends, the other goes on for a while
	swallow = "black-holed" // what comes in this direction is lost for a while, and then the connection breaks
	stalls  = "stalled"     // nothing moves in this direction for a while
	delays  = "delayed"     // from then on all that moves is late
	bodies  = "body cut"    // a response breaks off in its body
)

// What a gremlin does to all connections for a while.
const (
	calm        = "calm"
	rough       = "rough"       // each connection has its fate
	offline     = "offline"     // every connection breaks, and new ones are refused
	noWebSocket = "no ws"       // the proxy answers 403
	onlyPolls   = "only polls"  // the proxy answers 403 to streams of events, too
	heldEvents  = "held events" // and passes nothing of them on
)

var (
	fates = []string{cuts, cuts, resets, halves, swallow, stalls, stalls, delays, bodies, "", "", ""}
	moods = []string{calm, calm, rough, rough, rough, rough, offline, noWebSocket, onlyPolls, heldEvents}
)

// gremlin is a TCP proxy that does harm by the dice: to connections after so many bytes, and to all of
// them for a while.
type gremlin struct {
	listener net.Listener
	to       string
	tally    *tally
	work     sync.WaitGroup
	over     chan struct{} // closed when it ends
	tame     atomic.Bool   // it does no harm any more

	mu   sync.Mutex
	dice *rand.Rand           // guarded by mu
	mood string               // guarded by mu
	open map[*strand]struct{} // guarded by mu
}

// strand is one connection through a gremlin.
type strand struct {
	*gremlin
	client, server *net.TCPConn
	up, down       mischief
	kind           atomic.Value // "/ws" or "/events", of the last request
	mute           atomic.Bool  // what the server says is held back
	brk            func(reset bool)
}

// mischief is what is to be done to one direction; its goroutine owns it.
type mischief struct {
	do    string
	after int // bytes
	time  time.Duration
}

func unleash(t *testing.T, to string, dice *rand.Rand, counts *tally) *gremlin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gremlin{listener: l, to: to, tally: counts, over: make(chan struct{}), dice: dice, mood: rough, open: map[*strand]struct{}{}}
	g.work.Go(g.accept)
	g.work.Go(g.moody)
	t.Cleanup(func() {
		close(g.over)
		l.Close()
		g.each(func(s *strand) { s.brk(true) })
		g.work.Wait()
	})
	return g
}

func (g *gremlin) url() string { return "http://" + g.listener.Addr().String() }

// settle stops all harm. What was cut stays cut; the rest moves again.
func (g *gremlin) settle() {
	g.tame.Store(true)
	g.each(func(s *strand) {
		if s.mute.Load() {
			s.brk(true) // a part of its stream is lost
		}
	})
}

func (g *gremlin) each(do func(*strand)) {
	g.mu.Lock()
	all := slices.Collect(maps.Keys(g.open))
	g.mu.Unlock()
	for _, s := range all {
		do(s)
	}
}

// roll returns 0 to n−1.
func (g *gremlin) roll(n int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dice.IntN(n)
}

// fate draws what happens to one direction of a connection. Most are cut early; some live for long.
func (g *gremlin) fate() mischief {
	g.mu.Lock()
	defer g.mu.Unlock()
	bytes := math.Exp(math.Log(64) + g.dice.Float64()*math.Log(200_000/64))
	m := mischief{fates[g.dice.IntN(len(fates))], int(bytes), time.Duration(20+g.dice.IntN(300)) * time.Millisecond}
	if m.do == swallow || g.dice.IntN(8) == 0 {
		m.time *= 5
	}
	return m
}

func (g *gremlin) sleep(d time.Duration) {
	if g.tame.Load() {
		return
	}
	select {
	case <-time.After(d):
	case <-g.over:
	}
}

// moody changes the mood from time to time.
func (g *gremlin) moody() {
	for !g.tame.Load() {
		g.mu.Lock()
		g.mood = moods[g.dice.IntN(len(moods))]
		mood, lasts := g.mood, time.Duration(100+g.dice.IntN(900))*time.Millisecond
		g.mu.Unlock()
		g.tally.add(mood)
		if mood == offline {
			lasts /= 3
		}
		g.each(func(s *strand) {
			kind, _ := s.kind.Load().(string)
			if mood == offline || kind == "/ws" && mood != calm && mood != rough || kind == "/events" && mood == onlyPolls {
				s.brk(true)
			}
		})
		g.sleep(lasts)
		select {
		case <-g.over:
			return
		default:
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mood = calm
}

func (g *gremlin) accept() {
	for {
		in, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		mood := g.mood
		g.mu.Unlock()
		client := in.(*net.TCPConn)
		if mood == offline && !g.tame.Load() {
			g.tally.add("refused")
			_ = client.SetLinger(0)
			client.Close()
			continue
		}
		out, err := net.Dial("tcp", g.to)
		if err != nil {
			client.Close()
			continue
		}
		s := &strand{gremlin: g, client: client, server: out.(*net.TCPConn)}
		if mood != calm {
			s.up, s.down = g.fate(), g.fate()
			if s.up.do == halves {
				s.up.after += 1024 // net/http answers 400 to half a head, which ends a join, and rightly
			}
		}
		s.brk = func(reset bool) {
			if reset {
				_ = s.client.SetLinger(0)
				_ = s.server.SetLinger(0)
			}
			s.client.Close()
			s.server.Close()
		}
		g.mu.Lock()
		g.open[s] = struct{}{}
		g.mu.Unlock()
		var ends sync.WaitGroup
		ends.Go(func() { s.pump(s.server, s.client, &s.up, s.request) })
		ends.Go(func() { s.pump(s.client, s.server, &s.down, s.response) })
		g.work.Go(func() {
			ends.Wait()
			s.brk(false)
			g.mu.Lock()
			delete(g.open, s)
			g.mu.Unlock()
		})
	}
}

// pump moves bytes one way, and does what is to be done to them. Look says how many of them may still pass; −1: all.
func (s *strand) pump(to, from *net.TCPConn, m *mischief, look func([]byte) int) {
	defer func() { _ = to.CloseWrite() }()
	buf := make([]byte, 4096)
	late := time.Duration(0)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		pass := look(buf[:n])
		if pass >= 0 && !s.tame.Load() {
			s.tally.add(bodies)
			_, _ = to.Write(buf[:pass])
			s.brk(false)
			return
		}
		s.sleep(late)
		if m.after -= n; m.after >= 0 || m.do == "" || m.do == bodies || s.tame.Load() {
			if _, err := to.Write(buf[:n]); err != nil {
				s.brk(false)
				return
			}
			continue
		}
		pass = max(n+m.after, 0)
		if _, err := to.Write(buf[:pass]); err != nil {
			s.brk(false)
			return
		}
		done := *m
		*m = s.fate() // of the bytes after
		s.tally.add(done.do)
		switch done.do {
		case cuts, resets:
			s.brk(done.do == resets)
			return
		case halves, swallow:
			if done.do == halves {
				_ = to.CloseWrite()
			}
			s.work.Go(func() {
				s.sleep(done.time)
				s.brk(true)
			})
			for err == nil {
				_, err = from.Read(buf)
			}
			return
		case stalls:
			s.sleep(done.time)
		case delays:
			late = done.time / 20
		}
		if _, err := to.Write(buf[pass:n]); err != nil {
			s.brk(false)
			return
		}
	}
}

// request looks for the head of a request, and lets nothing of it pass if the mood is against it.
func (s *strand) request(b []byte) int {
	line, _, _ := bytes.Cut(b, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("GET ")) && !bytes.HasPrefix(line, []byte("POST ")) {
		return -1
	}
	s.mu.Lock()
	mood := s.mood
	s.mu.Unlock()
	kind := ""
	for _, k := range []string{"/ws", "/events"} {
		if bytes.Contains(line, []byte(k+"?")) {
			kind = k
		}
	}
	s.kind.Store(kind)
	if s.tame.Load() {
		return -1
	}
	switch {
	case kind == "/ws" && (mood == noWebSocket || mood == onlyPolls || mood == heldEvents), kind == "/events" && mood == onlyPolls:
		s.tally.add("denied")
		_, _ = s.client.Write([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		return 0
	case kind == "/events" && mood == heldEvents:
		s.mute.Store(true)
	}
	return -1
}

// response cuts a response in its body, if that is this connection's fate, and holds back what is to be held.
func (s *strand) response(b []byte) int {
	if s.mute.Load() && !s.tame.Load() {
		s.sleep(2 * time.Second)
		return 0
	}
	if s.down.do != bodies || !bytes.HasPrefix(b, []byte("HTTP/1.1 2")) {
		return -1
	}
	if head := bytes.Index(b, []byte("\r\n\r\n")); head > 0 && len(b) > head+5 && s.roll(3) == 0 {
		return head + 4 + s.roll(len(b)-head-4)
	}
	return -1
}
