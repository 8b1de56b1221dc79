package signaling

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/signaling/internal/schedule"
	"github.com/parley-rtc/parley/signaling/store"
)

// sweep is when a room is looked at next, because something in it is due.
type sweep struct {
	at   atomic.Int64 // on the process's clock; never: not set. It only falls while s.mu is not held
	used atomic.Int64 // on the process's clock: when somebody who is served here was last heard
	item *schedule.Item
}

const never = math.MaxInt64

// covers says whether the room is looked at early enough for what is due so long from now.
func (w *sweep) covers(in store.Due) bool {
	return in <= 0 || w != nil && int64(time.Since(processStart)+in) >= w.at.Load()
}

// use notes that somebody in the room is served here.
func (w *sweep) use() {
	if w != nil {
		w.used.Store(int64(now()))
	}
}

// due has the room, in which somebody is served here, looked at when something in it is due.
func (s *Server) due(room string, in store.Due) *sweep {
	w := s.look(room, in)
	w.use()
	return w
}

// look has the room looked at so long from now.
func (s *Server) look(room string, in store.Due) *sweep {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.sweeps[room]
	if s.state == closed || w.covers(in) {
		return w
	}
	if w == nil {
		w = &sweep{}
		w.at.Store(never)
		w.use()
		w.item = s.clock.Item(func() { s.start(func() { s.sweep(room, w) }) })
		s.sweeps[room] = w
	}
	now := time.Now()
	if at := int64(now.Sub(processStart) + in); at < w.at.Load() {
		w.at.Store(at)
		w.item.Set(now.Add(in))
	}
	return w
}

// sweep expires what is due in a room, and comes back for the rest.
func (s *Server) sweep(room string, w *sweep) {
	w.at.Store(never) // from here on, what is due is to be said again
	roster, err := s.store.Roster(s.ctx, room)
	if err != nil {
		if s.ctx.Err() == nil {
			s.storeFailed(err)
			s.look(room, 5*time.Second)
		}
		return
	}
	over := roster.Due == 0 || s.leftTo(w)
	s.mu.Lock()
	if over && w.at.Load() == never {
		delete(s.sweeps, room)
	}
	s.mu.Unlock()
	if !over {
		s.look(room, roster.Due)
	}
}

// leftTo says whether a room is to be looked at by other servers only: nobody in it was served here for so long that all who were would be
// forgotten by now, so that whoever is still there is served elsewhere.
func (s *Server) leftTo(w *sweep) bool {
	t := &s.cfg.Timing
	longest := max(t.Lease+t.Left, t.Polling) + t.Tombstone
	return !s.own && now()-time.Duration(w.used.Load()) > longest
}
