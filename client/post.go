package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// posts are the requests that carry frames up, one at a time.
type posts struct {
	busy     bool
	due      bool  // one is to be sent even if it is empty
	using    *link // a probe of events, to be put into use; nil: none
	most     int   // bytes of several frames in one; less than postBytes where something in the way takes no more
	failures int
	next     time.Time
}

// pause forgets failures: another link is in use.
func (p *posts) pause(now time.Time) { p.failures, p.next = 0, now }

// postBody is the body of a POST of frames.
type postBody struct {
	First  int64             `json:"first,omitempty"`
	Frames []json.RawMessage `json:"frames,omitempty"`
	Ack    int64             `json:"ack,omitempty"`
	Use    int64             `json:"use,omitempty"`
}

// write sends what waits, the way the link in use does.
func (s *stay) write(now time.Time, due *alarm) {
	if l := s.rungs[WebSocket].link; l != nil {
		s.writeWebSocket(l, now, due)
	}
	if l := s.current; l != nil && l.kind == WebSocket && l.drained {
		s.writeWebSocket(l, now, due) // until the other one takes its place
	}
	p := &s.posts
	onWebSocket := s.opts.Link == WebSocket || s.current != nil && s.current.kind == WebSocket
	if onWebSocket && !p.busy && s.stuck() {
		// That they were received is said on the WebSocket, behind what the app does not read. It might
		// do so only when it has sent more.
		onWebSocket = false
		s.up.rewind()
	}
	onEvents := s.current != nil && s.current.kind == Events
	switch {
	case onWebSocket && p.using == nil, p.busy:
		return
	case s.opts.Link == Events && !onEvents:
		return // it may be down as well, and does not tell of frames that were refused
	case !p.due && p.using == nil && !s.sendable(now, due) && (!onEvents || !s.ackDue(now, due)):
		return
	case now.Before(p.next):
		due.by(p.next)
		return
	}
	body := postBody{Ack: s.down}
	if !onWebSocket && s.sendable(now, due) {
		first, frames := s.up.take(postFrames, p.most)
		for _, f := range frames {
			body.First, body.Frames = first, append(body.Frames, f)
		}
	}
	using := p.using
	if using != nil {
		body.Use = using.number
	}
	pinged := p.due
	p.busy, p.due = true, false
	s.spawn(s.done, func() func() {
		var reply wire.PostReply
		err := s.api.call(s.ctx, requestTime, http.MethodPost, s.path+"/frames", s.reply.Secret, body, &reply)
		return func() {
			p.busy = false
			if s.end == nil {
				s.posted(body, using, pinged, reply, err)
			}
		}
	})
}

// stuck says whether neither direction can go on without the app.
func (s *stay) stuck() bool { return s.blocked() && s.up.full(s.opts.Queue) }

// posted takes in what became of a POST.
func (s *stay) posted(body postBody, using *link, pinged bool, reply wire.PostReply, err error) {
	p, now := &s.posts, time.Now()
	if err == nil {
		p.failures = 0
		s.up.ack(reply.Received)
		s.told(body.Ack)
		for _, raw := range reply.Frames { // what waits was not asked for
			var f wire.Downlink
			if json.Unmarshal(raw, &f) == nil && f.Kind == wire.KindICE {
				s.keepICE(f)
			}
		}
		if using != nil && !using.gone {
			p.using = nil
			s.enterUse(using, now)
		}
		return
	}
	if len(body.Frames) > 0 {
		s.up.rewind()
	}
	var refused *Error
	if errors.As(err, &refused) && refused.Code == string(wire.RateLimited) && refused.received != nil {
		p.failures = 0
		s.up.ack(*refused.received)
		s.told(body.Ack)
		s.hold(now, refused.RetryAfter)
		return // what else was in it was done; a use may be said again
	}
	p.due = p.due || pinged
	p.next = now.Add(jitter(s.opts.pace.retry, s.opts.pace.retryMax/3, p.failures))
	p.failures++
	s.log.Debug("post failed", "error", err)
	switch {
	case !errors.As(err, &refused), s.said(refused, refused.RetryAfter):
	case refused.received != nil:
		s.up.ack(*refused.received)
		s.up.rewind()
	case refused.Status == http.StatusRequestEntityTooLarge && len(body.Frames) > 1:
		p.most = min(p.most, size(body.Frames)) / 2
		p.next, p.failures = now, 0
	case using != nil && refused.Code == string(wire.Superseded):
		s.tooLate(using, now)
	}
}

func size(frames []json.RawMessage) (bytes int) {
	for _, f := range frames {
		bytes += len(f)
	}
	return bytes
}
