package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

const (
	openTime = 5 * time.Second  // for a poll that opens a link
	pollTime = 10 * time.Second // for an answer, beyond the wait
	minWait  = 500 * time.Millisecond
	maxWait  = 25 * time.Second

	maxDenied     = 3  // polls, or links, in a row that are superseded, until that is believed
	maxDeniedLate = 30 // and so many links where requests may come late: each takes over but once
)

// waits are those of one poll after the other, as long as none is cut.
var waits = []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second, maxWait}

// quick is when the first polls begin, which do not wait: a better link may come any moment.
var quick = []time.Duration{0, 300 * time.Millisecond, 600 * time.Millisecond, time.Second}

// polls is the polling link.
type polls struct {
	link     link // its number is 0 until the first answer
	began    time.Time
	busy     bool // a poll is under way
	done     int  // quick ones
	next     time.Time
	level    int           // of waits
	cap      time.Duration // the longest wait that was not cut; 0: none was
	failures int
	denied   int                // polls one after the other that were answered as superseded
	cancel   context.CancelFunc // of the poll under way
	turn     int                // rises with every poll, and when polling stops
}

// begin has polling begin, as a new link.
func (p *polls) begin(now time.Time) {
	p.link = link{}
	p.began, p.next, p.done, p.level, p.failures, p.denied = now, now, 0, 0, 0, 0
}

// stop ends polling.
func (p *polls) stop(s *stay, now time.Time) {
	if p.busy {
		p.cancel()
		if p.link.number == 0 {
			s.strays = now.Add(strayTime)
		}
	}
	p.busy = false
	p.turn++
	p.link.number = 0
}

// wait is how long the next poll may wait; 0: not at all.
func (p *polls) wait(only Link) time.Duration {
	wait := waits[p.level]
	if p.cap > 0 {
		wait = min(wait, p.cap)
	}
	if only == ShortPoll || wait < minWait || p.link.number == 0 || only == Auto && p.done < len(quick) {
		return 0
	}
	return wait
}

// poll polls, if there is no better link.
func (s *stay) poll(now time.Time, due *alarm) {
	p := &s.polls
	switch {
	case s.opts.Link == WebSocket, s.opts.Link == Events, p.busy:
		return
	case s.current != nil && s.current != &p.link:
		return
	case now.Before(p.next):
		due.by(p.next)
		return
	}
	wait := p.wait(s.opts.Link)
	limit := wait + pollTime
	query := "?after=" + decimal(s.down)
	if p.link.number != 0 {
		query += "&link=" + decimal(p.link.number)
	} else {
		limit = openTime
	}
	if wait > 0 {
		query += "&wait=" + strconv.FormatFloat(wait.Seconds(), 'f', -1, 64)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	p.busy, p.cancel = true, cancel
	p.turn++
	turn, after := p.turn, s.down
	s.spawn(s.inbox, func() func() {
		defer cancel()
		var reply wire.PollReply
		err := s.api.call(ctx, limit, http.MethodGet, s.path+"/frames"+query, s.reply.Secret, nil, &reply)
		took := time.Since(now)
		return func() {
			if turn != p.turn {
				return // it was given up
			}
			p.busy = false
			if err != nil {
				s.pollFailed(took, wait, err)
				return
			}
			if p.link.number == 0 {
				s.openedLate(took)
			}
			s.polled(reply, after, wait)
		}
	})
}

// polled takes in the answer of a poll.
func (s *stay) polled(reply wire.PollReply, after int64, wait time.Duration) {
	p, now := &s.polls, time.Now()
	if p.failures > 0 && s.opts.Link == Auto {
		s.revive(now)
	}
	p.failures, p.denied = 0, 0
	s.told(after)
	s.up.ack(reply.Received)
	if s.current == nil {
		p.link = link{kind: LongPoll, used: now}
		if s.opts.Link == ShortPoll || p.cap > 0 && p.cap < minWait {
			p.link.kind = ShortPoll
		}
		s.current = &p.link
		s.log.Info("link opened", "link", p.link.kind.String(), "number", reply.Link)
		s.setLink(p.link.kind)
	}
	p.link.number = reply.Link
	for _, raw := range reply.Frames {
		var f wire.Downlink
		if json.Unmarshal(raw, &f) != nil {
			break // the next poll asks for it again
		}
		if f.Kind == wire.KindICE {
			s.keepICE(f)
		} else if !s.take(f, len(raw)) {
			break
		}
	}
	switch {
	case s.opts.Link == Auto && p.done < len(quick)-1:
		p.done++
		p.next = p.began.Add(quick[p.done])
	case s.opts.Link == Auto && p.done < len(quick):
		p.done++
		p.next = now
	case p.wait(s.opts.Link) == 0 && (s.opts.Link == ShortPoll || p.cap > 0):
		p.next = now.Add(max(seconds(reply.Next), 50*time.Millisecond))
	default:
		p.next = now
		if wait > 0 && len(reply.Frames) == 0 {
			p.level = min(p.level+1, len(waits)-1)
		}
	}
}

// pollFailed takes in that a poll had no answer, or was refused, after it took so long.
func (s *stay) pollFailed(took, wait time.Duration, err error) {
	p, now := &s.polls, time.Now()
	var refused *Error
	if errors.As(err, &refused) && refused.Code != "" {
		if s.said(refused, refused.RetryAfter) {
			return
		}
		if refused.Code == string(wire.Superseded) {
			if s.posts.using == nil && !now.Before(s.strays) && s.current == &p.link {
				// A poll that was lost on its way back, or on its way there and came late, or that something
				// in between repeated, is a newer poll of the same link. One more is newer still, and harms no other link.
				if p.denied++; p.denied < maxDenied {
					p.next = now.Add(jitter(s.opts.pace.retry, s.opts.pace.retryMax/3, p.denied))
					return
				}
				s.end = &ending{err: refused}
				return
			}
			p.link.number = 0
			p.next = now.Add(time.Second) // what took over is about to be known here
			return
		}
	} else if p.link.number == 0 {
		s.strays = now.Add(strayTime)
	}
	// Something in the way did not let it wait so long, unless the answer is of the protocol.
	if wait > 0 && took >= minWait && (refused == nil || refused.Code == "") {
		p.cap = wait / 2
		p.level = 0
		for p.level < len(waits)-1 && waits[p.level] < p.cap {
			p.level++
		}
		s.log.Debug("a poll was cut", "wait", wait, "error", err)
		p.next = now
		return
	}
	p.next = now.Add(jitter(s.opts.pace.retry, s.opts.pace.retryMax/3, p.failures))
	p.failures++
	s.log.Debug("poll failed", "error", err)
	if s.current == &p.link && p.failures > 2 {
		s.current = nil
		s.up.rewind()
		s.log.Info("link lost", "link", p.link.kind.String(), "error", err)
		s.setLink(Auto)
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
