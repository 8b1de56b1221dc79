package client

import (
	"errors"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

var errGap = errors.New("client: a frame is missing")

// frame takes in a frame of a WebSocket or a stream of events.
func (s *stay) frame(l *link, f wire.Downlink, size int) {
	if l.gone || s.end != nil {
		return
	}
	now := time.Now()
	l.heard, l.pinged = now, time.Time{}
	switch f.Kind {
	case wire.KindHello:
		l.number = f.Link
		s.up.ack(f.Received)
		s.hello(l, now)
	case wire.KindReceived:
		s.up.ack(f.N)
		if f.Code != "" && l == s.current {
			s.up.rewind()
		}
		if f.RetryAfter > 0 {
			s.hold(now, seconds(f.RetryAfter))
		}
	case wire.KindPing:
		l.pong = true
		s.since = time.Time{} // what was handled is acknowledged now: the server ends whom it has to wait for
		s.posts.due = s.posts.due || l.kind == Events && l == s.current
	case wire.KindPong:
		s.proved(l, now)
	case wire.KindICE:
		s.keepICE(f)
	case wire.KindDrain:
		l.drained = true
		if l == s.current && f.In > 0 {
			s.leave(l, now, seconds(f.In))
		} else {
			s.fail(l, now, refusal(wire.Drain, ""))
		}
	case wire.KindSuperseded:
		s.closed(l, now, refusal(wire.Superseded, ""), 0)
	case wire.KindEnded:
		s.closed(l, now, refusal(f.Code, f.Message), seconds(f.In))
	default:
		if f.N > 0 && !s.take(f, size) {
			s.fail(l, now, errGap)
		} else if f.N == 0 && f.Kind == wire.KindRefused && f.Code == wire.Superseded && l.probe {
			s.tooLate(l, now) // the use of it was refused
		} else if f.N == 0 && f.Kind == wire.KindRefused {
			s.log.Warn("the server cannot read what was sent", "code", string(f.Code), "message", f.Message)
		}
	}
}

// closed takes in that the server ended a link with a code.
func (s *stay) closed(l *link, now time.Time, why *Error, in time.Duration) {
	switch {
	case s.said(why, in):
	case why.Code == string(wire.Superseded) && l == s.current && l.drained && s.posts.using != nil:
		s.drop(l) // by the one that takes its place; the answer that says so is on its way
	case why.Code == string(wire.Superseded) && l == s.current:
		s.superseded(l, now)
	case why.Code == string(wire.Superseded):
		s.tooLate(l, now) // a probe, older than a poll that began meanwhile
	default:
		s.fail(l, now, why)
	}
}

// take handles a numbered frame, if it is the next one; false: some are missing before it.
func (s *stay) take(f wire.Downlink, size int) bool {
	switch {
	case f.N <= s.down:
		return true // had already
	case f.N > s.down+1:
		return false
	}
	if s.down == s.acked {
		s.since = time.Now()
	}
	s.down = f.N
	s.unsaid += size
	s.apply(f)
	return true
}

// apply turns a numbered frame into an event. The rosters of hellos are not needed: no frame is
// lost, so that the join's, kept up to date, is the room's.
func (s *stay) apply(f wire.Downlink) {
	switch f.Kind {
	case wire.KindSignal:
		s.emit(Signal{From: f.From, Epoch: f.Epoch, Data: f.Data, Broadcast: f.Broadcast})
		return
	case wire.KindRefused:
		e := refusalOf(&wire.Error{Code: f.Code, Message: f.Message, RetryAfter: f.RetryAfter})
		s.emit(Refused{To: f.To, Err: e})
		return
	}
	if f.N <= s.reply.At {
		return // the roster of the join holds it
	}
	s.mu.Lock()
	e := s.change(f)
	s.mu.Unlock()
	if e != nil {
		s.emit(e)
	}
}

// change changes the roster; s.mu is held.
func (s *stay) change(f wire.Downlink) Event {
	p, here := s.roster[f.Peer]
	switch {
	case f.Kind == wire.KindJoined:
		p = Peer{ID: f.Peer, Epoch: f.Epoch, Instance: f.Instance, Meta: f.Meta, Presence: f.Presence}
		if f.Name != nil {
			p.Name = *f.Name
		}
		s.roster[f.Peer] = p
		return Joined{p}
	case !here || p.Epoch != f.Epoch:
		return nil // of a session that was replaced
	case f.Kind == wire.KindLeft:
		delete(s.roster, f.Peer)
		return Left{p, f.Reason}
	case f.Kind == wire.KindChanged:
		if f.Presence != "" {
			p.Presence = f.Presence
		}
		if f.Name != nil {
			p.Name = *f.Name
		}
		if string(f.Meta) == "null" {
			p.Meta = nil
		} else if f.Meta != nil {
			p.Meta = f.Meta
		}
		s.roster[f.Peer] = p
		return Changed{p}
	}
	return nil
}

// ackDue says whether the server is to be told now of what was handled.
func (s *stay) ackDue(now time.Time, due *alarm) bool {
	switch waits := s.down - s.acked; {
	case waits == 0:
		return false
	case waits >= ackFrames, s.unsaid >= ackBytes:
		return true
	}
	at := s.since.Add(s.opts.pace.ack)
	due.by(at)
	return !now.Before(at)
}

// hold notes that what was sent was over the server's rate, and is to be sent again after a while.
func (s *stay) hold(now time.Time, wait time.Duration) {
	const least = 50 * time.Millisecond
	s.held = now.Add(max(wait, least))
	s.log.Debug("over the rate", "again_in", wait)
}

// sendable says whether numbered frames wait that may be sent now.
func (s *stay) sendable(now time.Time, due *alarm) bool {
	if s.up.waiting() && now.Before(s.held) {
		due.by(s.held)
		return false
	}
	return s.up.waiting()
}

// told notes that the server was told of the frames up to n.
func (s *stay) told(n int64) {
	if n > s.acked {
		s.acked, s.unsaid, s.since = n, 0, time.Now()
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0), maxRetryAfter.Seconds()) * float64(time.Second))
}
