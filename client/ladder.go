package client

import (
	"context"
	"errors"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
)

const (
	strayTime = 100 * time.Second // a request that was given up may still reach the server, by a network that was gone
	quickly   = time.Second       // an opening that took longer may have been repeated by a proxy
)

var (
	errSilent = errors.New("client: nothing was heard")
	errUnfit  = errors.New("client: did not open or prove itself in time")
)

// link is a WebSocket, a stream of events or the polls. The stay owns it.
type link struct {
	kind   Link
	probe  bool // opened beside the one in use
	number int64
	opened time.Time
	used   time.Time // since when it is in use
	heard  time.Time
	proof  time.Time // when it proves, or proved, itself; zero: not before more is heard
	gone   bool

	drained bool      // the server closes it: not its own fault
	leaves  time.Time // at the latest, then
	late    bool      // a newer link was opened beside it: also not

	ctx    context.Context // ends with the link
	cancel context.CancelFunc

	conn   *websocket.Conn // nil: not open yet, or no WebSocket
	busy   bool            // conn is being written to
	ping   bool            // one is to be sent
	pinged time.Time       // when one was, without having heard anything since
	pong   bool            // one is to be sent
	use    bool            // is to be said
}

// rung is what is known of WebSockets, or events, here.
type rung struct {
	link     *link // nil: none
	failures int   // one after the other
	next     time.Time
}

// climb opens the links that are to be tried.
func (s *stay) climb(now time.Time, due *alarm) {
	for _, kind := range []Link{WebSocket, Events} {
		r := &s.rungs[kind]
		switch {
		case s.opts.Link != Auto && s.opts.Link != kind, r.link != nil:
		case s.current != nil && (s.current.kind < kind || s.current.kind == kind && !s.current.drained):
		case now.Before(r.next):
			due.by(r.next)
		default:
			r.link = s.open(kind, now)
		}
	}
}

func (s *stay) open(kind Link, now time.Time) *link {
	l := &link{kind: kind, probe: s.opts.Link == Auto || s.current != nil, opened: now, heard: now}
	l.ctx, l.cancel = context.WithCancel(s.ctx)
	carry := s.runEvents
	if kind == WebSocket {
		carry = s.runWebSocket
	}
	query := "?after=" + decimal(s.down)
	if l.probe {
		query += "&probe=1"
	}
	s.spawn(s.done, func() func() {
		err := carry(l, query)
		return func() {
			var refused *Error
			switch {
			case l.gone || s.end != nil:
			case errors.As(err, &refused):
				s.closed(l, time.Now(), refused, 0)
			default:
				s.fail(l, time.Now(), err)
			}
		}
	})
	return l
}

// leave has another link take the place of the one in use, which the server is about to close, and which goes on until then.
func (s *stay) leave(l *link, now time.Time, in time.Duration) {
	l.leaves = now.Add(in)
	if r := &s.rungs[l.kind]; r.link == l { // else there is another one already
		r.link, r.failures, r.next = nil, 0, now
	}
}

// hello takes in that a link is open.
func (s *stay) hello(l *link, now time.Time) {
	switch {
	case !l.probe:
		s.openedLate(now.Sub(l.opened))
		s.enterUse(l, now)
	case l.kind == WebSocket:
		l.ping = true // its answer is the proof
	case s.current != nil && s.current.kind == Events && s.current.drained:
		l.proof = now // others just lived here
	default:
		l.proof = now.Add(s.opts.pace.life)
	}
}

// openedLate takes in that it took so long to open a link for use. Where a proxy had no patience, it asked
// again, or another backend, and both openings count, in whichever order they arrive.
func (s *stay) openedLate(took time.Duration) {
	if took > quickly {
		s.strays = time.Now().Add(strayTime)
	}
}

// proved takes in that a ping was answered.
func (s *stay) proved(l *link, now time.Time) {
	if l.probe && l != s.current && l.proof.IsZero() {
		l.proof = now
	}
}

// watch puts links that proved themselves into use, and gives up those that do not work.
func (s *stay) watch(now time.Time, due *alarm) {
	pace := s.opts.pace
	if l := s.current; l != nil && !l.leaves.IsZero() {
		switch {
		case now.Before(l.leaves):
			due.by(l.leaves)
		case l.gone:
			s.lose(l, now, refusal(wire.Drain, ""))
		default:
			s.fail(l, now, refusal(wire.Drain, ""))
		}
	}
	for _, kind := range []Link{WebSocket, Events} {
		l := s.rungs[kind].link
		if l == nil || l == s.posts.using {
			continue
		}
		var limit time.Time
		switch {
		case l == s.current && !l.pinged.IsZero():
			limit = l.pinged.Add(pace.pong)
		case l == s.current:
			limit = l.heard.Add(2 * seconds(s.reply.Heartbeat))
		case !l.proof.IsZero() && !now.Before(l.proof):
			s.replace(l, now)
			continue
		default:
			limit = l.opened.Add(pace.prove)
			if !l.proof.IsZero() {
				due.by(l.proof)
			}
		}
		switch {
		case now.Before(limit):
			due.by(limit)
		case l != s.current:
			s.fail(l, now, errUnfit)
		case l.kind == WebSocket && l.pinged.IsZero():
			l.ping, l.pinged = true, now
			due.by(now.Add(pace.pong))
		default:
			s.fail(l, now, errSilent)
		}
	}
}

// replace puts a probe in the place of the link in use.
func (s *stay) replace(l *link, now time.Time) {
	const patience = time.Second
	switch opening := s.polls.busy && s.polls.link.number == 0; {
	case opening && now.Sub(l.proof) < patience:
		return // the poll's link may be the newer one; its answer tells
	case s.posts.using != nil && s.posts.busy:
		return // else that one could supersede this one
	case s.polls.link.number > l.number, s.current != nil && s.current.number > l.number:
		l.late = true
		s.fail(l, now, errors.New("client: a link that was opened later was faster"))
	case l.kind == WebSocket:
		l.use = true
		s.enterUse(l, now)
	default:
		s.posts.using, s.posts.due = l, true // enterUse follows
	}
}

// enterUse makes a link the one in use.
func (s *stay) enterUse(l *link, now time.Time) {
	old := s.current
	if old != nil && old != l && old.drained {
		s.drop(old)
	}
	s.current, l.used = l, now
	s.polls.stop(s, now)
	for kind := range s.rungs {
		r := &s.rungs[kind]
		if r.link != nil && r.link != l && Link(kind) > l.kind {
			if r.link == old {
				r.next = now // it worked
			}
			s.drop(r.link)
		}
	}
	s.posts.pause(now)
	s.up.rewind()
	s.log.Info("link opened", "link", l.kind.String(), "number", l.number)
	s.setLink(l.kind)
}

// drop lets go of a link without judging it.
func (s *stay) drop(l *link) {
	if l.gone {
		return
	}
	l.gone = true
	l.cancel()
	if r := &s.rungs[l.kind]; r.link == l {
		r.link = nil
	}
	if s.posts.using == l {
		s.posts.using = nil
		s.strays = time.Now().Add(strayTime) // the POST that says so may be under way
	}
}

// fail gives a link up; what its kind is good for decides when it is tried again.
func (s *stay) fail(l *link, now time.Time, why error) {
	if l.gone {
		return
	}
	s.drop(l)
	r, pace := &s.rungs[l.kind], s.opts.pace
	inUse := l == s.current
	switch steady := inUse && now.Sub(l.used) >= pace.steady; {
	case steady || l.drained || l.late:
		r.failures = 0
		r.next = now.Add(jitter(pace.retry/4, pace.retry/4, 0))
	case s.opts.Link == Auto:
		delay := doubled(pace.again, pace.againMax, r.failures)
		r.next = now.Add(delay/2 + jitter(delay/2, delay/2, 0))
		r.failures++
	default:
		r.next = now.Add(jitter(pace.retry, pace.retryMax, r.failures))
		r.failures++
		if l.number == 0 && !l.probe {
			s.strays = now.Add(strayTime)
		}
	}
	s.log.Debug("link failed", "link", l.kind.String(), "error", why)
	switch {
	case inUse:
		s.lose(l, now, why)
	case s.current != nil && s.current.gone:
		s.lose(s.current, now, why) // what was to take its place did not
	}
}

// lose goes on without the link in use.
func (s *stay) lose(l *link, now time.Time, why error) {
	s.drop(l)
	s.log.Info("link lost", "link", l.kind.String(), "error", why)
	s.current = nil
	s.up.rewind()
	s.setLink(Auto)
	s.polls.begin(now)
	if s.opts.Link == Auto {
		if at := now.Add(s.opts.pace.eventsAfter); l.kind != Events && s.rungs[Events].next.Before(at) {
			s.rungs[Events].next = at
		}
	}
}

// revive has links tried soon that failed while nothing worked.
func (s *stay) revive(now time.Time) {
	for kind := range s.rungs {
		if r := &s.rungs[kind]; r.link == nil && r.failures > 0 {
			r.failures--
			r.next = now
		}
	}
}

// tooLate takes in a refusal to put the link in use into use: one of our own is newer.
func (s *stay) tooLate(l *link, now time.Time) {
	l.late = true
	s.fail(l, now, refusal(wire.Superseded, ""))
}
