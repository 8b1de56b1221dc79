package signaling

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/schedule"
)

const (
	moveTime    = 5 * time.Second        // that a link goes on after its client was asked to open another one
	restartTime = 500 * time.Millisecond // before which no process is back that ended
	lookTime    = 10 * time.Millisecond  // between looks at who is left
)

// drain is the time in which the links of this server are moved to others.
type drain struct {
	end   time.Time     // of the moments at which links are asked to move
	grace time.Duration // that they go on afterwards
}

// moment is when somebody is to move who is here now.
func (d *drain) moment(turns *sequence) time.Time {
	now := time.Now()
	// Who comes when it is all but over comes back here, perhaps, when asked to move; that is not to become a rush.
	left := max(d.end.Sub(now), d.grace/2)
	return now.Add(time.Duration(turns.next() * float64(left)))
}

// Drain has the clients go elsewhere within window, and returns when nobody is left, or window is over, or ctx ends, whose
// error it returns then. [Server.Shutdown] is to follow; what Drain is called for, such as that balancers send no new
// clients, is up to the caller.
//
// With a shared store everything goes on meanwhile, new joins and links, too. Each link is asked, at a moment of its own,
// to have another one take its place, and closes some seconds later; polls that wait are answered, and HTTP/1 connections are not kept. The moments are
// spread evenly over window, but for its last part, of at most 5 s, which the last ones have to move in. Nothing is lost, and nobody is seen to leave.
//
// With rooms in memory there is nowhere to go: the server stops serving, and sessions are told to join again, at times spread
// evenly over window, which begins half a second from now. It does not wait for that.
func (s *Server) Drain(ctx context.Context, window time.Duration) error {
	if s.own {
		_, err := s.dismiss(ctx, window)
		return err
	}
	began := time.Now()
	grace := min(moveTime, window/4)
	d := &drain{end: began.Add(window - grace), grace: grace}

	s.mu.Lock()
	if s.state != serving {
		s.mu.Unlock()
		return ErrServerClosed
	}
	again := s.moving.Swap(d) != nil // with mu held: a link that opens now is among these, or sees it
	for l := range s.links {
		l.moveAt(d.moment(s.turns))
	}
	links := len(s.links)
	if !again {
		close(s.moved)
	}
	s.mu.Unlock()
	for _, k := range s.waiting() {
		k.wake()
	}
	s.log.Info("links are asked to move", "links", links, "window", window)

	over, cancel := context.WithDeadline(ctx, began.Add(window))
	defer cancel()
	_ = s.await(over, func() bool { return s.here() == 0 })
	return ctx.Err()
}

// dismiss stops serving and tells every client. It returns when all links are closed and polls answered, or ctx ends: then
// its error. Rooms in memory are lost: their sessions join again within window, or more if there are many.
func (s *Server) dismiss(ctx context.Context, window time.Duration) ([]*link, error) {
	s.mu.Lock()
	if s.state == closed {
		s.mu.Unlock()
		return nil, ErrServerClosed
	}
	if s.own && s.state == serving {
		s.rejoins.Store(int64(s.rejoinWindow(window)))
	}
	s.stopServing(draining)
	open := make([]*link, 0, len(s.links))
	for l := range s.links {
		open = append(open, l)
	}
	s.mu.Unlock()

	for _, k := range s.waiting() {
		k.wake()
	}
	for _, l := range open {
		if s.own {
			l.end(wire.Rejoin, s.rejoinIn())
		} else {
			l.finish(wire.DrainFrame{Kind: wire.KindDrain}, wire.Drain)
		}
	}
	err := s.await(ctx, func() bool {
		// Who polls without waiting is told, too, when the next poll comes: with a store that is shared it finds another server.
		return s.here() == 0 && (!s.own || s.between.count() == 0)
	})
	return open, err
}

// await returns when something is so, or ctx ends: then its error.
func (s *Server) await(ctx context.Context, is func() bool) error {
	look := time.NewTicker(lookTime)
	defer look.Stop()
	for !is() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// here counts the links that are open and the polls that wait for their answer.
func (s *Server) here() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links) + int(s.counts.sessions.Of(kindPoll).Load())
}

// move is when a link is moved to another one.
type move struct {
	item  *schedule.Item // guarded by server.mu; nil: never
	asked atomic.Bool    // to open another link
}

// moveAt has the link moved at t, unless that is to be sooner, or has begun. s.mu is held.
func (l *link) moveAt(t time.Time) {
	if l.move.asked.Load() {
		return
	}
	if l.move.item == nil {
		l.move.item = l.server.clock.Item(l.moveOn)
	}
	l.move.item.Sooner(t)
}

// moveOn asks the client for another link, and the next time closes this one. It runs on the server's clock.
func (l *link) moveOn() {
	if l.move.asked.Swap(true) {
		l.finish(nil, wire.Drain)
		return
	}
	grace := l.server.grace()
	l.send(wire.Append(nil, wire.DrainFrame{Kind: wire.KindDrain, In: grace.Seconds()}))
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	l.move.item.Set(time.Now().Add(grace))
}

// grace is how long a link goes on that was asked to move.
func (s *Server) grace() time.Duration {
	if d := s.moving.Load(); d != nil {
		return d.grace
	}
	return min(moveTime, s.cfg.Timing.MaxLinkAge/4)
}

// ages has the link moved when it is old, and during a drain in any case. s.mu is held.
func (l *link) ages() {
	if age := l.server.cfg.Timing.MaxLinkAge; age > 0 {
		l.moveAt(l.opened.Add(age - time.Duration(l.server.turns.next()*float64(age/10))))
	}
	if d := l.server.moving.Load(); d != nil {
		l.moveAt(d.moment(l.server.turns))
	}
}
