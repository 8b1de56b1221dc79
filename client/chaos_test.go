package client

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/signaling"
)

var (
	chaosSeeds    = flag.Int("seeds", 3, "seeds of the chaos test")
	chaosFirst    = flag.Uint64("first-seed", 1, "the first of them")
	chaosMessages = flag.Int("messages", 20_000, "messages of each seed of the chaos test")
)

// chaosTime is how long one seed may take, on a machine that is busy.
const chaosTime = 5 * time.Minute

// A pair is two participants of a room who send each other numbered messages.
type pair struct {
	a, b   string // "hopper", or the kind of link of a client
	window int    // messages that may be under way
	floods bool   // the window is over what a mailbox holds of one sender
}

// chaosPairs are the pairs of one seed. A client chooses its links, or has one forced; a hopper changes its own at random.
var chaosPairs = []pair{
	{"auto", "auto", 200, false},
	{"auto", "auto", 200, false},
	{"auto", "auto", 50, false},
	{"websocket", "websocket", 200, false},
	{"websocket", "events", 200, false},
	{"events", "events", 200, false},
	{"long poll", "long poll", 200, false},
	{"long poll", "short poll", 300, false},
	{"auto", "hopper", 200, false},
	{"auto", "hopper", 50, false},
	{"hopper", "hopper", 200, false},
	{"hopper", "hopper", 100, false},
	{"auto", "websocket", 400, true},
	{"auto", "hopper", 400, true},
	{"hopper", "hopper", 400, true},
	{"events", "long poll", 400, true},
}

// chaosTiming lets no session end while its link is broken, and remembers ends for a moment only.
var chaosTiming = signaling.Timing{
	Heartbeat: time.Second, Lease: 2 * time.Minute, Polling: 2 * time.Minute, Left: 2 * time.Minute, Unlinked: 2 * time.Minute,
	Away: 2 * time.Second, Attempt: 2 * time.Minute, Tombstone: 500 * time.Millisecond,
}

// TestChaos has pairs exchange numbered messages while their links are cut, stalled, refused, probed and
// swapped at random. None is lost, doubled or out of order, and at the end nothing is left.
// More of it by make chaos.
func TestChaos(t *testing.T) {
	for i := range uint64(*chaosSeeds) {
		seed := *chaosFirst + i
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { chaos(t, seed, *chaosMessages) })
	}
}

func chaos(t *testing.T, seed uint64, messages int) {
	leaktest.Check(t)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), chaosTime)
	defer cancel()
	each := messages / len(chaosPairs) / 2
	// What was handled waits until that is acknowledged, and acknowledgements get lost: a window alone does not bound it.
	wide := serve(t, signaling.Config{Timing: chaosTiming, Limits: signaling.Limits{MailboxFrames: 64 + 8*each, MailboxBytes: 1<<20 + each<<13}})
	tight := serve(t, signaling.Config{Timing: chaosTiming, Limits: signaling.Limits{MailboxFrames: 1024, MailboxBytes: 1 << 20}})
	before := heap()

	var done tally
	var gremlins []*gremlin
	var talkers []*talker
	for i, p := range chaosPairs {
		s := wide
		if p.floods {
			s = tight
		}
		var both [2]*talker
		for side, kind := range []string{p.a, p.b} {
			stream := uint64(2*i + side)
			g := unleash(t, strings.TrimPrefix(s.url, "http://"), rand.New(rand.NewPCG(seed, 2*stream)), &done)
			gremlins = append(gremlins, g)
			both[side] = &talker{
				pair: p, id: fmt.Sprint(kind[:1], stream), room: fmt.Sprint("room", i), url: g.url(), kind: kind, total: int64(each), tally: &done,
				dice: rand.New(rand.NewPCG(seed, 2*stream+1)), joined: make(chan struct{}), moved: make(chan struct{}, 1),
				heard: make([]bool, each), refused: make([]bool, each),
			}
		}
		both[0].other, both[1].other = both[1], both[0]
		talkers = append(talkers, both[:]...)
	}
	faults := make(chan error, len(talkers))
	var last atomic.Value
	for _, p := range talkers {
		go func() {
			err := p.talk(ctx)
			last.Store(p.kind + " with " + p.other.kind)
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				err = nil // another has failed
			}
			if err != nil {
				err = fmt.Errorf("seed %d, %s (%s with %s), %d of %d received, %d sent: %w",
					seed, p.id, p.kind, p.other.kind, p.got.Load(), p.other.total, p.sent.Load(), err)
				cancel()
			}
			faults <- err
		}()
	}
	for range talkers {
		if err := <-faults; err != nil {
			t.Error(err)
		}
	}
	refused := int64(0)
	for _, p := range talkers {
		refused += p.lost.Load()
		if err := p.accounts(); err != nil && !t.Failed() {
			t.Errorf("seed %d, %s: %v", seed, p.id, err)
		}
	}
	t.Logf("seed %d: %d messages, %d refused as busy, in %.1f s, the last pair %v; %v",
		seed, each*len(talkers), refused, time.Since(began).Seconds(), last.Load(), &done)
	defer func() {
		for _, p := range talkers {
			if p.drop != nil {
				p.drop()
			}
		}
	}()
	if t.Failed() {
		return
	}
	if messages >= 10_000 {
		for name, least := range map[string]int{
			cuts: 5, resets: 5, stalls: 5, halves: 2, swallow: 2, delays: 2, bodies: 1, offline: 5, "refused": 5, "denied": 5,
			"link websocket": 5, "link events": 5, "link long poll": 5, "hopper superseded": 1, "used a probe": 1,
		} {
			if got := done.of(name); got < least {
				t.Errorf("%s: only %d times, want %d", name, got, least)
			}
		}
		if refused == 0 {
			t.Error("no mailbox was ever full")
		}
	}
	for _, g := range gremlins {
		g.settle()
	}
	for _, p := range talkers {
		if err := p.leave(); err != nil {
			t.Errorf("%s leaves: %v", p.id, err)
		}
	}
	talkers, gremlins = nil, nil
	nothingLeft(t, before, wide.server, tight.server)
}

// nothingLeft fails if a server still has links, rooms or memory after its sessions' end.
func nothingLeft(t *testing.T, before uint64, servers ...*signaling.Server) {
	t.Helper()
	const margin = 2 << 20
	deadline := time.Now().Add(20 * time.Second)
	for {
		var left []string
		for _, s := range servers {
			rooms, _, err := s.Rooms(context.Background(), "")
			if err != nil {
				t.Fatal(err)
			}
			if links := s.Stats().Links; links > 0 || len(rooms) > 0 {
				left = append(left, fmt.Sprintf("%d links and the rooms %v", links, rooms))
			}
		}
		after := heap()
		if len(left) == 0 && after < before+margin {
			t.Logf("heap %d KB before, %d KB after", before>>10, after>>10)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left: %v; heap %d KB before, %d KB after", left, before>>10, after>>10)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// heap returns the bytes of live objects.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools had
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
