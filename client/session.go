package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// leaveTime is how long Leave waits for what is queued to be sent.
const leaveTime = 2 * time.Second

// Session is a peer's stay in a room. Its methods may be called concurrently.
type Session struct {
	api    *api
	opts   Options
	room   string
	sends  chan outgoing // to the stay
	events chan Event
	cancel context.CancelFunc
	over   chan struct{} // closed when nothing can be sent any more
	done   chan struct{} // closed when all goroutines have ended

	mu     sync.Mutex
	reply  wire.JoinReply  // guarded by mu; the last join's
	ice    ICE             // guarded by mu
	iceAt  time.Time       // guarded by mu; when they came
	roster map[string]Peer // guarded by mu
	link   Link            // guarded by mu
	err    error           // guarded by mu; why it is over
}

func newSession(a *api, room string, opts Options, ask wire.JoinRequest, reply wire.JoinReply) *Session {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Session{
		api: a, opts: opts, room: room,
		sends:  make(chan outgoing),
		events: make(chan Event),
		cancel: cancel,
		over:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	s.enter(reply)
	r := &runner{Session: s, ask: ask, log: opts.Logger.With("room", room, "peer", reply.Peer)}
	go r.run(ctx)
	return s
}

// enter takes over what a join replied.
func (s *Session) enter(reply wire.JoinReply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = reply
	s.ice, s.iceAt = iceOf(reply.ICEServers, reply.TTL), time.Now()
	s.roster = make(map[string]Peer, len(reply.Peers))
	for _, p := range reply.Peers {
		s.roster[p.Peer] = peerOf(p)
	}
}

func (s *Session) joined() wire.JoinReply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reply
}

// ID returns the peer id under which the others see this peer.
func (s *Session) ID() string { return s.joined().Peer }

// Name returns the name that the others see, which the app's server may have fixed.
func (s *Session) Name() string { return s.joined().Name }

// Epoch returns the number of the session, which rises with every join in the room.
func (s *Session) Epoch() int64 { return s.joined().Epoch }

// Resumed says whether an earlier session's peer id was taken over.
func (s *Session) Resumed() bool { return s.joined().Resumed }

// Secret returns what another join needs to take this session's peer id over; see [Options.Resume].
func (s *Session) Secret() string { return s.joined().Secret }

// Link returns the kind of link in use; Auto: none just now.
func (s *Session) Link() Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}

// Peers returns the others in the room, by id. It may know more than the events that were read.
func (s *Session) Peers() []Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	peers := make([]Peer, 0, len(s.roster))
	for _, p := range s.roster {
		peers = append(peers, p)
	}
	slices.SortFunc(peers, func(a, b Peer) int { return cmp.Compare(a.ID, b.ID) })
	return peers
}

// Events returns the channel of events, always the same. It has to be read: while nobody does, nothing
// more is received (see the package's text). It is closed after [Ended], or, without a word, by
// [Session.Leave] and [Session.Close], which drop what has not been read.
func (s *Session) Events() <-chan Event { return s.events }

// Err returns why the session is over: nil while it is not, ErrClosed after Leave or Close.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Send sends data, as JSON, to a peer; with an epoch that is not 0, only to that session of the peer. It returns
// when the data is queued, which it is not when the error is not nil: an [*Error] if it is over the
// server's limits, the error of ctx if the queue was full until ctx ended, or why the session is over. What
// the server refuses comes as [Refused].
func (s *Session) Send(ctx context.Context, to string, epoch int64, data any) error {
	raw, err := encode(data)
	if err != nil {
		return err
	}
	return s.queue(ctx, upFrame{Kind: wire.KindSignal, To: to, Epoch: epoch, Data: raw})
}

// Broadcast sends data to everybody else in the room. Errors as of [Session.Send].
func (s *Session) Broadcast(ctx context.Context, data any) error {
	raw, err := encode(data)
	if err != nil {
		return err
	}
	return s.queue(ctx, upFrame{Kind: wire.KindBroadcast, Data: raw})
}

// Change is what is to change of how the others see this peer.
type Change struct {
	Name *string         // nil: stays as it is
	Meta json.RawMessage // nil: stays as it is; null: taken away
}

// Change changes how the others see this peer. Errors as of [Session.Send].
func (s *Session) Change(ctx context.Context, c Change) error {
	return s.queue(ctx, upFrame{Kind: wire.KindChange, Name: c.Name, Meta: c.Meta})
}

// Refresh gives the server a newer token of the same user: the session lives until that one expires.
// Without it a session whose token expires is joined again, with a token from [Options.Token].
// Errors as of [Session.Send].
func (s *Session) Refresh(ctx context.Context, token string) error {
	return s.queue(ctx, upFrame{Kind: wire.KindRefresh, Token: token})
}

// Leave leaves the room, after what was sent before, and then does what Close does. An error means that the
// server could not be told: the others see the peer as lost after a while.
func (s *Session) Leave(ctx context.Context) error {
	defer s.Close()
	soon, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	if s.queue(soon, upFrame{Kind: wire.KindLeave}) == nil {
		select {
		case <-s.over:
		case <-soon.Done():
		}
	}
	select {
	case <-s.over:
		return nil
	default:
	}
	at := s.joined()
	return s.api.call(ctx, requestTime, http.MethodDelete, "/"+at.Session, at.Secret, nil, nil)
}

// Close ends the session here, without telling the server. No goroutine of it is left when it returns.
func (s *Session) Close() {
	s.cancel()
	<-s.done
}

// upFrame is any numbered uplink frame, without its number.
type upFrame struct {
	Kind  string          `json:"kind"`
	To    string          `json:"to,omitempty"`
	Epoch int64           `json:"epoch,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
	Name  *string         `json:"name,omitempty"`
	Meta  json.RawMessage `json:"meta,omitempty"`
	Token string          `json:"token,omitempty"`
}

// queue hands a frame to the stay, which numbers it. What the server would refuse for its form is refused here.
func (s *Session) queue(ctx context.Context, f upFrame) error {
	if f.Meta != nil && !json.Valid(f.Meta) {
		return refusal(wire.BadFrame, "meta is not valid JSON")
	}
	text := wire.Append(nil, f)
	limits := s.joined().Limits
	limits.Frame -= numberRoom
	if _, err := wire.ParseNumbered(text, 1, limits); err != nil {
		if err.Code == wire.FrameTooLarge {
			err = wire.Refusef(err.Code, "with its number the frame is over %d bytes", limits.Frame+numberRoom)
		}
		return refusalOf(err)
	}
	select {
	case s.sends <- outgoing{upFrame: f, text: text}:
		return nil
	case <-s.over:
		return s.Err()
	case <-ctx.Done():
		return fmt.Errorf("client: the frame was not queued: %w", ctx.Err())
	}
}

// encode returns data as JSON.
func encode(data any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // it would make texts up to six times as long
	if err := e.Encode(data); err != nil {
		return nil, errors.Join(refusal(wire.BadFrame, "data cannot be written as JSON"), err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
