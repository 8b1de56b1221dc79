package signaling

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/schedule"
	"github.com/parley-rtc/parley/signaling/store"
)

const (
	replyTime  = 10 * time.Second       // to write the answer of a poll
	activePoll = 500 * time.Millisecond // between short polls while frames come and go
	idlePoll   = 5 * time.Second
	movedPoll  = 50 * time.Millisecond // after one that was cut short, for another server to answer
	activeTime = 10 * time.Second      // without frames, until a session counts as idle
	parkAfter  = time.Second           // that a poll waits in its request before it is parked
)

// servePoll answers with the frames that wait, at once or when there are some. A poll that names the
// link of the one before goes on with it; without a link it opens one.
func (s *Server) servePoll(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	if refusal := s.refusing(); refusal != nil {
		if s.own {
			return s.lostTo() // with this process
		}
		return refusal
	}
	query := r.URL.Query()
	after, refusal := parseAfter(query, r.Header.Get("Parley-After"))
	if refusal != nil {
		return refusal
	}
	wait, refusal := parseWait(query)
	if refusal != nil {
		return refusal
	}
	goes, refusal := parseLink(query)
	if refusal != nil {
		return refusal
	}
	p := &poll{server: s, ref: res.ref(bearer(r)), until: time.Now().Add(wait), awake: make(chan struct{}, 1)}
	// Watching comes first, so that nothing is missed between here and the first read.
	stop, err := s.store.Watch(s.ctx, p.ref.Room, p.ref.Session, p.wake)
	if err != nil {
		return s.refusalOf(err)
	}
	p.stop = stop
	attached, err := s.store.Attach(r.Context(), p.ref, store.Link{Kind: kindPoll, Polls: true, Goes: goes, After: after})
	if err != nil {
		stop()
		return s.refusalOf(err)
	}
	s.due(p.ref.Room, attached.Due)
	s.counts.linked(attached, kindPoll)
	s.counts.sessions.Add(kindPoll, 1)
	p.after, p.fence, p.turn = attached.After, attached.Fence, attached.Turn
	if s.pollRenewal(r, p.ref.Room, attached, goes != 0) {
		if p.ice = s.appendICE(nil, r, p.ref); p.ice != nil {
			wait, p.until = 0, time.Now() // there is something to answer
		}
	}
	if wait > 0 {
		// Where the server's own time for a response cannot be set, it has to be long enough.
		_ = http.NewResponseController(w).SetWriteDeadline(p.until.Add(replyTime))
		p.clock = s.clock.Item(p.wake)
		p.clock.Set(earlier(p.until, time.Now().Add(parkAfter)))
	}
	moved := s.moved
	for parkAt := time.Now().Add(parkAfter); ; {
		reply, refusal, done := p.read(r.Context())
		switch {
		case done:
			p.release()
			if refusal == nil {
				replyJSON(w, http.StatusOK, reply)
			}
			return refusal
		case !time.Now().Before(parkAt):
			if p.park(w, r) {
				return nil
			}
			parkAt = p.until // it cannot be done
		}
		p.clock.Sooner(p.until)
		select {
		case <-p.awake:
		case <-moved:
			moved = nil
		case <-s.drained:
		case <-r.Context().Done():
			p.release()
			return nil // nobody is there to be answered
		}
	}
}

// poll is one poll. While it waits it is in the hands of its request's goroutine, or is parked.
type poll struct {
	server             *Server
	ref                store.Ref
	after, fence, turn int64
	until              time.Time
	ice                []json.RawMessage // a frame with fresh servers; nil: none
	stop               func()            // stops watching
	clock              *schedule.Item    // nil: it does not wait
	moves              bool              // it waits no longer than until its moment in a drain
	awake              chan struct{}     // capacity 1; while it is not parked

	parked atomic.Pointer[parked] // nil: it is not
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (p *poll) wake() {
	if parked := p.parked.Load(); parked != nil {
		parked.wake()
		return
	}
	select {
	case p.awake <- struct{}{}:
	default:
	}
}

// release frees what a poll holds.
func (p *poll) release() {
	p.server.counts.sessions.Add(kindPoll, -1)
	p.stop()
	if p.clock != nil {
		p.clock.Stop()
	}
}

// read reads once; false: there is nothing yet to answer.
func (p *poll) read(ctx context.Context) (wire.PollReply, *wire.Error, bool) {
	s := p.server
	result, err := s.store.Exchange(ctx, p.ref, store.Exchange{After: p.after, Max: maxRead, Fence: p.fence, Turn: p.turn})
	draining := s.refusing() != nil
	if d := s.moving.Load(); d != nil && !p.moves {
		p.moves, p.until = true, earlier(p.until, d.moment(s.turns))
	}
	switch {
	case err != nil && lost(err):
		return wire.PollReply{}, s.lostTo(), true
	case err != nil:
		return wire.PollReply{}, s.refusalOf(err), true
	case result.Superseded:
		return wire.PollReply{}, wire.Refuse(wire.Superseded), true
	case len(result.Frames) == 0 && draining && s.own:
		return wire.PollReply{}, s.lostTo(), true
	case len(result.Frames) == 0 && !draining && time.Now().Before(p.until):
		return wire.PollReply{}, nil, false
	}
	s.counts.mailbox.Observe(float64(result.Tail - result.Acked))
	reply := wire.PollReply{
		Link: p.fence, Received: result.Received, Frames: append(s.encodeFrames(result.Frames), p.ice...), Next: idlePoll.Seconds(),
	}
	switch {
	case p.clock != nil && (p.moves || draining):
		reply.Next = movedPoll.Seconds()
	case result.Idle < activeTime:
		reply.Next = activePoll.Seconds()
	}
	if p.clock == nil {
		s.between.expect(time.Duration(reply.Next * float64(time.Second)))
	}
	return reply, nil, true
}

// encodeFrames writes frames as a client reads them.
func (s *Server) encodeFrames(frames []store.Frame) []json.RawMessage {
	encoded := make([]json.RawMessage, len(frames))
	for i, f := range frames {
		encoded[i] = appendFrame(nil, f)
	}
	s.counts.sent(frames)
	return encoded
}
