package signaling

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

const (
	maxWait    = 25 * time.Second
	replyTime  = 10 * time.Second       // to write the answer of a poll
	activePoll = 500 * time.Millisecond // between short polls while frames come and go
	idlePoll   = 5 * time.Second
	activeTime = 10 * time.Second // without frames, until a session counts as idle
)

// noExchange only checks that a session lives and that its secret is right.
var noExchange = store.Exchange{}

// servePoll answers with the frames that wait, at once or when there are some. A poll that names the
// link of the one before goes on with it; without a link it opens one.
func (s *Server) servePoll(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	if refusal := s.refusing(); refusal != nil {
		return refusal
	}
	after, refusal := parseAfter(r, "Parley-After")
	if refusal != nil {
		return refusal
	}
	wait, refusal := parseWait(r)
	if refusal != nil {
		return refusal
	}
	goes, refusal := parseLink(r)
	if refusal != nil {
		return refusal
	}
	ref := res.ref(bearer(r))
	p := poll{server: s, ref: ref, awake: make(chan struct{}, 1)}
	// Watching comes first, so that nothing is missed between here and the first read.
	stop, err := s.store.Watch(r.Context(), ref.Room, ref.Session, p.wake)
	if err != nil {
		return refusalOfStore(err, s.log)
	}
	defer stop()
	attached, err := s.store.Attach(r.Context(), ref, store.Link{Kind: kindPoll, Polls: true, Goes: goes, After: after})
	if err != nil {
		return refusalOfStore(err, s.log)
	}
	s.due(ref.Room, attached.Due)
	if wait > 0 {
		// Where the server's own time for a response cannot be set, it has to be long enough.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + replyTime))
	}
	result, refusal := p.wait(r, attached, wait)
	if refusal != nil || r.Context().Err() != nil {
		return refusal
	}
	reply := wire.PollReply{
		Link: attached.Fence, Received: result.Received, Frames: s.encodeFrames(result.Frames), Next: idlePoll.Seconds(),
	}
	if result.Idle < activeTime {
		reply.Next = activePoll.Seconds()
	}
	replyJSON(w, http.StatusOK, reply)
	return nil
}

// poll is one poll that may have to wait.
type poll struct {
	server *Server
	ref    store.Ref
	awake  chan struct{} // capacity 1
	over   atomic.Bool   // its time is over
}

func (p *poll) wake() {
	select {
	case p.awake <- struct{}{}:
	default:
	}
}

// wait reads until there is something, or the time or the client's patience is over.
func (p *poll) wait(r *http.Request, attached store.Attached, wait time.Duration) (store.Result, *wire.Error) {
	s := p.server
	if wait > 0 {
		end := s.clock.Item(func() {
			p.over.Store(true)
			p.wake()
		})
		end.Set(time.Now().Add(wait))
		defer end.Stop()
	}
	for {
		result, err := s.store.Exchange(r.Context(), p.ref, store.Exchange{After: attached.After, Max: maxRead, Fence: attached.Fence, Turn: attached.Turn})
		switch {
		case err != nil:
			return result, refusalOfStore(err, s.log)
		case result.Superseded:
			return result, wire.Refuse(wire.Superseded)
		case len(result.Frames) > 0 || wait == 0 || p.over.Load():
			return result, nil
		}
		select {
		case <-p.awake:
		case <-r.Context().Done():
			return result, nil // nobody is there to be answered
		case <-s.drained:
			if s.own {
				return result, wire.Refuse(wire.Rejoin)
			}
			return result, nil
		}
	}
}

// encodeFrames writes frames as a client reads them.
func (s *Server) encodeFrames(frames []store.Frame) []json.RawMessage {
	encoded := make([]json.RawMessage, len(frames))
	for i, f := range frames {
		encoded[i] = appendFrame(nil, f)
	}
	s.counts.down.Add(uint64(len(frames)))
	return encoded
}

// parseLink reads which polling link a poll goes on with; 0: none.
func parseLink(r *http.Request) (int64, *wire.Error) {
	text := r.URL.Query().Get("link")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, wire.Refusef(wire.BadField, "link is not the number of a link").In("link")
	}
	return n, nil
}

// parseWait reads how long a poll may wait: 0 to 25 seconds.
func parseWait(r *http.Request) (time.Duration, *wire.Error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > maxWait.Seconds() {
		return 0, wire.Refusef(wire.BadField, "wait is not 0 to %v seconds", maxWait.Seconds()).In("wait").Over(int64(maxWait.Seconds()))
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
