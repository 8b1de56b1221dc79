package client

import (
	"context"
	"sync"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

const (
	ackFrames = 64
	ackBytes  = 64 << 10
)

// stay is one session at the server, from a join to its end. One goroutine, which calls run, owns
// everything in it. The others only move bytes: each hands what it got to that one, as a func to call.
type stay struct {
	*runner
	reply wire.JoinReply
	path  string // of the session
	began time.Time
	end   *ending

	ctx    context.Context // ends with the stay
	cancel context.CancelFunc
	work   sync.WaitGroup
	inbox  chan func() // what came; not read while the app does not read
	done   chan func() // what was done; always read

	up     uplink
	held   time.Time // the server takes no numbered frames until then
	down   int64     // the last downlink frame that was handled
	acked  int64     // of those, the last one that the server was told of
	unsaid int       // bytes of the others
	since  time.Time // when the first of the others came

	current *link           // in use; nil: none
	rungs   [ShortPoll]rung // of WebSocket and Events
	polls   polls           // the polling link, used while there is no better one
	posts   posts           // the requests that carry frames up where the link does not
	strays  time.Time       // until then, one that was given up may still arrive
	denied  int             // links in a row that were superseded after a short time in use
	renewal renewal         // of the ICE servers, where the server does not see to it
}

// ending is why a stay is over.
type ending struct {
	rejoin bool
	in     time.Duration // until the client may join again
	err    error
}

func newStay(ctx context.Context, r *runner, reply wire.JoinReply) *stay {
	s := &stay{
		runner: r, reply: reply, path: "/" + reply.Session, began: time.Now(),
		inbox: make(chan func()), done: make(chan func()),
		posts: posts{most: postBytes},
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.rungs[WebSocket].next = s.began
	s.rungs[Events].next = s.began
	if r.opts.Link == Auto {
		s.rungs[Events].next = s.began.Add(r.opts.pace.eventsAfter)
	}
	s.polls.begin(s.began)
	return s
}

// run returns when the stay is over and all its goroutines have ended.
func (s *stay) run() {
	defer s.work.Wait()
	defer s.cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for s.end == nil {
		now := time.Now()
		due := s.step(now)
		if s.end != nil {
			return
		}
		timer.Reset(due.Sub(now))
		inbox, sends := s.inbox, s.sends
		if s.blocked() {
			inbox = nil
		}
		if s.leaving || s.up.full(s.opts.Queue) {
			sends = nil
		}
		events, next := s.next()
		select {
		case do := <-inbox:
			do()
		case do := <-s.done:
			do()
		case out := <-sends:
			s.queued(out)
		case events <- next:
			s.taken()
		case <-timer.C:
		case <-s.ctx.Done():
			s.end = &ending{err: ErrClosed}
		}
	}
}

// step does what is due, and returns when there will be more.
func (s *stay) step(now time.Time) time.Time {
	due := alarm(now.Add(time.Hour))
	if !s.blocked() { // else silence means nothing, and what opens could not be heard
		s.watch(now, &due)
		s.climb(now, &due)
		s.poll(now, &due)
		s.renewICE(now, &due)
	}
	s.write(now, &due)
	return time.Time(due)
}

// alarm is the earliest of some times.
type alarm time.Time

func (a *alarm) by(t time.Time) {
	if t.Before(time.Time(*a)) {
		*a = alarm(t)
	}
}

// spawn runs work, which may block until ctx ends, on a goroutine of its own, and then has the stay
// call what it returns.
func (s *stay) spawn(to chan func(), work func() func()) {
	s.work.Go(func() {
		s.tell(s.ctx, to, work())
	})
}

// tell has the stay call do, unless ctx ends first.
func (s *stay) tell(ctx context.Context, to chan func(), do func()) bool {
	select {
	case to <- do:
		return true
	case <-ctx.Done():
		return false
	}
}

// queued numbers a frame.
func (s *stay) queued(out outgoing) {
	s.up.add(out.text)
	switch out.Kind {
	case wire.KindLeave:
		s.leaving = true
	case wire.KindChange: // the next join is to ask for the same
		if out.Name != nil {
			s.ask.Name = *out.Name
		}
		if out.Meta != nil {
			s.ask.Meta = out.Meta
		}
	}
}

// said takes in what the server said with a code, and returns whether the stay is over by it.
func (s *stay) said(refused *Error, in time.Duration) bool {
	switch outcomeOf(refused.Code) {
	case over:
		s.end = &ending{err: refused}
	case rejoins:
		s.end = &ending{rejoin: true, in: in, err: refused}
	}
	return s.end != nil
}

// superseded takes in that the link in use was, by one that is not known here: one of our own which came late, or was
// repeated on its way, unless it happens again and again.
func (s *stay) superseded(l *link, now time.Time) {
	if now.Sub(l.used) >= s.opts.pace.steady {
		s.denied = 0
	}
	s.denied++
	believed := maxDenied
	if now.Before(s.strays) {
		believed = maxDeniedLate
	}
	if s.posts.using == nil && s.denied >= believed {
		s.end = &ending{err: refusal(wire.Superseded, "")}
		return
	}
	s.tooLate(l, now)
}
