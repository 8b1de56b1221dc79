package signaling

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

const (
	replyTime  = 10 * time.Second       // to write the answer of a poll
	activePoll = 500 * time.Millisecond // between short polls while frames come and go
	idlePoll   = 5 * time.Second
	activeTime = 10 * time.Second // without frames, until a session counts as idle
)

// servePoll answers with the frames that wait, at once or when there are some. A poll that names the
// link of the one before goes on with it; without a link it opens one.
func (s *Server) servePoll(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	if refusal := s.refusing(); refusal != nil {
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
