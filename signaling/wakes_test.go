package signaling_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/internal/memory"
	"github.com/parley-rtc/parley/signaling/store"
)

// forgetful is a store that drops wakes by the dice, as one does whose messages get lost.
type forgetful struct {
	store.Store
	keeps float64 // of all wakes

	mu   sync.Mutex
	dice *rand.Rand // guarded by mu
	lost int        // guarded by mu
}

// Watch implements store.Store.
func (s *forgetful) Watch(ctx context.Context, room, session string, wake func()) (func(), error) {
	return s.Store.Watch(ctx, room, session, func() {
		s.mu.Lock()
		drop := s.dice.Float64() >= s.keeps
		if drop {
			s.lost++
		}
		s.mu.Unlock()
		if !drop {
			wake()
		}
	})
}

// TestDroppedWakesHealWithinOnePing has the store lose wakes: what they would have told is found with the next
// ping, or poll, and nothing is lost or out of order. That holds for frames, for the end of a link that another
// superseded, for a probe that was confirmed, and for the end of the session.
func TestDroppedWakesHealWithinOnePing(t *testing.T) {
	const (
		beat   = 400 * time.Millisecond
		margin = 2 * time.Second // for a machine that is busy; four beats in the sum would show
		frames = 5
	)
	for name, keeps := range map[string]float64{"all of them": 0, "two of three": 0.33} {
		for _, kind := range kinds {
			t.Run(name+", over "+kind, func(t *testing.T) {
				t.Parallel()
				lossy := &forgetful{Store: memory.New(), keeps: keeps, dice: rand.New(rand.NewPCG(1, 2))}
				s := serve(t, signaling.Config{Store: lossy, Timing: signaling.Timing{Heartbeat: beat, Lease: 5 * time.Second}})
				soon := beat + margin
				if kind == "long poll" {
					soon += 3 * time.Second // the poll's own wait is the ping
				}
				within := func(what string, began time.Time) {
					t.Helper()
					if took := time.Since(began); took > soon {
						t.Errorf("%s after %v, want within a ping of %v", what, took, beat)
					}
				}
				bob := s.join("room", as("bob"))
				alice := s.join("room", as("alice")).linked(kind, -1)
				link := bob.linked(kind, -1)
				if f := link.next(); f.Kind != wire.KindJoined || f.Peer != "alice" {
					t.Fatalf("got %+v", f)
				}
				for n := range int64(frames) {
					began := time.Now()
					s.must(alice.send(n+1, to(bob, fmt.Sprint(n))))
					if f := link.next(); string(f.Data) != fmt.Sprint(n) {
						t.Fatalf("got %+v, want message %d", f, n)
					}
					within(fmt.Sprintf("message %d came", n), began)
				}
				began := time.Now()
				second := bob.linked("events", frames+1)
				if code := link.ends(); code != wire.Superseded {
					t.Errorf("the link ends as %q, want superseded", code)
				}
				within("the older link ended", began)

				probe, err := bob.open("websocket", frames+1, true)
				s.must(err)
				t.Cleanup(probe.cut)
				_, err = bob.post(wire.Post{Use: probe.number, Ack: frames + 1})
				s.must(err)
				began = time.Now()
				s.must(alice.send(frames+1, to(bob, `"over the probe"`)))
				if f := probe.next(); string(f.Data) != `"over the probe"` {
					t.Errorf("got %+v", f)
				}
				within("the confirmed probe read", began)
				if code := second.ends(); code != wire.Superseded {
					t.Errorf("the events end as %q, want superseded", code)
				}
				began = time.Now()
				s.must(s.Disconnect(t.Context(), "room", "bob"))
				if code := probe.ends(); code != wire.Kicked {
					t.Errorf("the link ends as %q, want kicked", code)
				}
				within("the end was told", began)
				lossy.mu.Lock()
				defer lossy.mu.Unlock()
				if lossy.lost < frames/2 {
					t.Errorf("only %d wakes were dropped", lossy.lost)
				}
			})
		}
	}
}
