package signaling

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/memory"
	"github.com/parley-rtc/parley/signaling/store"
)

// mover is a carrier whose client leaves it for another link, or for good, when it is told to.
type mover struct {
	link chan *link // capacity 1
	stay bool       // the client does not understand
	told func(frame wire.Downlink)

	closed func(code int)
	once   sync.Once
}

func (m *mover) Append(b []byte, _ int64, frame []byte) []byte {
	return append(append(b, frame...), '\n')
}

func (m *mover) Write(b []byte) error {
	for line := range bytes.Lines(b) {
		var f wire.Downlink
		if json.Unmarshal(line, &f) != nil || f.Kind != wire.KindDrain && f.Kind != wire.KindEnded {
			continue
		}
		m.told(f)
		if f.Kind == wire.KindDrain && f.In > 0 && !m.stay {
			time.AfterFunc(300*time.Millisecond, m.end)
		}
	}
	return nil
}

func (m *mover) Try(b []byte) ([]byte, error) { return nil, m.Write(b) }
func (m *mover) Abort()                       { m.end() }
func (m *mover) Close(code int, _ string) {
	m.closed(code)
	m.end()
}

func (m *mover) end() { m.once.Do(func() { go func() { (<-m.link).close() }() }) }

// crowd are links to a server, and what becomes of them.
type crowd struct {
	t *testing.T
	s *Server

	mu     sync.Mutex
	frames []wire.Downlink
	times  []time.Time
	closes map[int]int // by code
	count  int
}

func newCrowd(t *testing.T, cfg Config) *crowd {
	cfg.Logger = slog.New(slog.DiscardHandler)
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &crowd{t: t, s: s, closes: make(map[int]int)}
}

// join opens links, each to a session of its own.
func (c *crowd) join(links int, stay bool) {
	for range links {
		c.count++
		hash, room := [32]byte{1}, fmt.Sprint("room", c.count)
		joined, err := c.s.store.Join(c.t.Context(), room, store.JoinRequest{Session: "session", SecretHash: hash, Spare: "peer", Rules: c.s.cfg.rules()})
		if err != nil {
			c.t.Fatal(err)
		}
		m := &mover{link: make(chan *link, 1), stay: stay}
		m.told = func(f wire.Downlink) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.frames, c.times = append(c.frames, f), append(c.times, time.Now())
		}
		m.closed = func(code int) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.closes[code]++
		}
		ref := store.Ref{Room: room, Session: joined.Session, SecretHash: hash}
		l, refusal := c.s.open(m, terms{kind: kindWebSocket, ref: ref, after: -1})
		if refusal != nil {
			c.t.Fatal(refusal)
		}
		m.link <- l
	}
}

// evenly checks that times are spread over those from … to, in so many bins, and returns the fullest by the mean.
func evenly(t *testing.T, times []time.Time, from time.Time, span time.Duration, bins int) {
	t.Helper()
	counts := make([]int, bins)
	for _, at := range times {
		i := int(at.Sub(from) * time.Duration(bins) / span)
		if i < 0 || i >= bins {
			t.Errorf("one is at %v, not within %v", at.Sub(from), span)
			continue
		}
		counts[i]++
	}
	mean := float64(len(times)) / float64(bins)
	t.Logf("%d in %d bins: %v; the fullest is %.2f of the mean", len(times), bins, counts, float64(slices.Max(counts))/mean)
	if peak := float64(slices.Max(counts)); peak > 1.3*mean {
		t.Errorf("the fullest of the bins %v has %.0f, more than 1.3 of the mean, %.1f", counts, peak, mean)
	}
}

func TestADrainMovesLinksEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Config{Store: memory.New()})
		c.join(1000, false)
		began := time.Now()
		if err := c.s.Drain(t.Context(), 20*time.Second); err != nil {
			t.Errorf("drain: %v", err)
		}
		if took := time.Since(began); took > 16*time.Second {
			t.Errorf("it took %v, though nobody was left", took)
		}
		if len(c.times) != 1000 || c.frames[0].In != 5 {
			t.Errorf("%d were asked, the first one within %v s; want 1000, 5", len(c.times), c.frames[0].In)
		}
		evenly(t, c.times, began, 15*time.Second, 15)
		if len(c.closes) > 0 {
			t.Errorf("links were closed that had been left: %v", c.closes)
		}
		if err := c.s.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
}

func TestADrainMovesWhoComesMeanwhileAndClosesWhoDoesNotUnderstand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Config{Store: memory.New()})
		c.join(400, true)
		done := make(chan error)
		began := time.Now()
		go func() { done <- c.s.Drain(t.Context(), 20*time.Second) }()
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			c.join(4, false)
		}
		if err := <-done; err != nil {
			t.Errorf("drain: %v", err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		if len(c.times) != 800 || c.closes[wire.Drain.Row().Close] != 400 {
			t.Errorf("%d were asked, and links closed by code: %v; want 800, and 400 by 4200", len(c.times), c.closes)
		}
		if late := c.times[len(c.times)-1].Sub(began); late > 15*time.Second {
			t.Errorf("the last one is asked after %v, too late to move", late)
		}
		_ = c.s.Close()
	})
}

func TestAShorterDrainTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Config{Store: memory.New()})
		c.join(100, false)
		began := time.Now()
		go func() { _ = c.s.Drain(t.Context(), time.Hour) }()
		time.Sleep(time.Second)
		if err := c.s.Drain(t.Context(), 4*time.Second); err != nil || time.Since(began) > 5*time.Second {
			t.Errorf("it took %v: %v", time.Since(began), err)
		}
		_ = c.s.Close()
		synctest.Wait()
	})
}

func TestOldLinksMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Config{Timing: Timing{MaxLinkAge: 40 * time.Second}})
		began := time.Now()
		c.join(1000, false)
		time.Sleep(45 * time.Second)
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.times) != 1000 || c.frames[0].In != 5 {
			t.Fatalf("%d were asked, want 1000", len(c.times))
		}
		evenly(t, c.times, began.Add(36*time.Second), 4*time.Second, 8)
		if links := c.s.Stats().Links; links > 0 {
			t.Errorf("%d links are left", links)
		}
		_ = c.s.Close()
	})
}

// What is lost with the process comes back to the next one, and is not to overrun it.
func TestSessionsInMemoryJoinAgainEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, window := range []time.Duration{2 * time.Second, time.Minute} {
			c := newCrowd(t, Config{})
			c.join(1000, false)
			began := time.Now()
			if err := c.s.Drain(t.Context(), window); err != nil || time.Since(began) > time.Second {
				t.Errorf("it took %v: %v", time.Since(began), err)
			}
			var times []time.Time
			for _, f := range c.frames {
				if f.Code != wire.Rejoin {
					t.Fatalf("told: %+v", f)
				}
				times = append(times, began.Add(time.Duration(f.In*float64(time.Second))))
			}
			if len(times) != 1000 || c.closes[wire.Rejoin.Row().Close] != 1000 {
				t.Errorf("%d were told, and links closed by code: %v", len(times), c.closes)
			}
			evenly(t, times, began.Add(restartTime), window, 20)
			if err := c.s.Shutdown(t.Context()); err != nil {
				t.Errorf("shutdown: %v", err)
			}
		}
	})
}

// However many there are, those who poll among them, no more than a thousand a second come back.
func TestSessionsThatPollCountWhereAllJoinAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Config{})
		defer c.s.Close()
		if got := c.s.rejoinWindow(time.Second); got != time.Second {
			t.Errorf("without sessions: %v", got)
		}
		c.join(1000, false)
		c.s.counts.sessions.Add(kindPoll, 2000)
		for range 3000 {
			c.s.between.expect(idlePoll)
		}
		for range 2000 {
			c.s.between.expect(activePoll)
		}
		if got := c.s.rejoinWindow(time.Second); got != 8*time.Second {
			t.Errorf("with 1000 links, 2000 polls that wait, and 5000 that are to come: %v", got)
		}
		time.Sleep(3 * activePoll)
		if got := c.s.between.count(); got != 3000 {
			t.Errorf("%d polls are to come, want 3000", got)
		}
		time.Sleep(idlePoll)
		if got := c.s.between.count(); got != 0 {
			t.Errorf("%d polls are to come, though nobody has polled for long", got)
		}
		c.s.counts.sessions.Add(kindPoll, 100_000)
		if got := c.s.rejoinWindow(time.Second); got != rejoinTime {
			t.Errorf("with 100,000 of them: %v", got)
		}
	})
}
