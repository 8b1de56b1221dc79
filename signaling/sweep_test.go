package signaling_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/internal/memory"
	"github.com/parley-rtc/parley/signaling/store"
)

func TestARoomIsForgottenSoonAfterTheLastOneLeft(t *testing.T) {
	over(t, signaling.Config{Timing: signaling.Timing{Tombstone: 50 * time.Millisecond}}, func(s *service, kind string) {
		alice := s.join("room", as("alice")).linked(kind, -1)
		if kind == "websocket" {
			s.must(alice.say(`{"kind":"leave","n":1}`))
		} else if _, err := alice.post(wire.Post{First: 1, Frames: []json.RawMessage{[]byte(`{"kind":"leave"}`)}}); err == nil {
			s.Error("a leave is answered as if the session went on")
		}
		if code := alice.ends(); code != wire.Left {
			s.Errorf("the link ends as %q, want left", code)
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			rooms, _, err := s.Rooms(t.Context(), "")
			s.must(err)
			if len(rooms) == 0 {
				return
			}
			if time.Now().After(deadline) {
				s.Fatalf("the rooms are %v, though nobody is there", rooms)
			}
		}
	})
}

// rosters counts how often a server looks at rooms.
type rosters struct {
	store.Store
	count atomic.Int64
}

func (r *rosters) Roster(ctx context.Context, room string) (store.Roster, error) {
	r.count.Add(1)
	return r.Store.Roster(ctx, room)
}

// A room that other servers serve now is theirs to look at.
func TestARoomIsNotLookedAtWhereNobodyIsServedAnyMore(t *testing.T) {
	timing := signaling.Timing{
		Heartbeat: 150 * time.Millisecond, Lease: 600 * time.Millisecond, Away: 300 * time.Millisecond, Left: 600 * time.Millisecond, Polling: 600 * time.Millisecond, Tombstone: 50 * time.Millisecond,
	}
	rooms := memory.New()
	one, two := &rosters{Store: rooms}, &rosters{Store: rooms}
	before, after := serve(t, signaling.Config{Store: one, Timing: timing}), serve(t, signaling.Config{Store: two, Timing: timing})
	alice := before.join("room", as("alice"))
	link := alice.linked("websocket", -1)
	alice.service = after
	alice.linked("websocket", -1)
	link.cut()
	last, steady := int64(-1), int64(0) // how often the one had looked, and the other one when that changed last
	for deadline := time.Now().Add(6 * patience); last < 0 || two.count.Load() < steady+3; time.Sleep(20 * time.Millisecond) {
		if now := one.count.Load(); now != last {
			last, steady = now, two.count.Load()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server before looked at the room %d times, that after %d times", last, two.count.Load())
		}
	}
}
