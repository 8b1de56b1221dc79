package client

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// runner is the goroutine of a Session: one stay after another, and the events in between.
type runner struct {
	*Session
	ask     wire.JoinRequest // of the next join: what the last one asked for, and what changed since
	log     *slog.Logger
	pending []Event // not yet taken by the app
	leaving bool    // Leave was called
}

func (r *runner) run(ctx context.Context) {
	defer close(r.done)
	defer close(r.events)
	defer r.api.close()
	defer r.cancel()
	err := r.stays(ctx)
	if ctx.Err() != nil || r.leaving {
		err = ErrClosed
	}
	r.mu.Lock()
	r.err, r.link = err, Auto
	r.mu.Unlock()
	close(r.over)
	r.log.Info("session over", "error", err)
	if errors.Is(err, ErrClosed) {
		return
	}
	r.emit(Ended{err})
	for len(r.pending) > 0 && ctx.Err() == nil {
		r.deliver(ctx, nil)
	}
}

// stays returns why there is no further one.
func (r *runner) stays(ctx context.Context) error {
	for failures := 0; ; failures++ {
		began := time.Now()
		reply := r.joined()
		r.log.Info("session joined", "epoch", reply.Epoch, "resumed", reply.Resumed)
		s := newStay(ctx, r, reply)
		s.run()
		if ctx.Err() != nil || r.leaving || !s.end.rejoin {
			return s.end.err
		}
		r.log.Info("session lost", "error", s.end.err)
		if time.Since(began) > r.opts.pace.steady {
			failures = 0
		}
		delay := s.end.in
		if failures > 0 {
			delay += jitter(r.opts.pace.retry, r.opts.pace.retryMax, failures)
		}
		if err := r.rejoin(ctx, delay, s.end.err, len(s.up.frames)); err != nil {
			return err
		}
	}
}

// rejoin joins again; events are delivered meanwhile.
func (r *runner) rejoin(ctx context.Context, delay time.Duration, why error, lost int) error {
	r.setLink(Auto)
	before := r.joined()
	var reply wire.JoinReply
	var err error
	joined := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(joined)
		select {
		case <-time.After(delay):
			reply, err = r.joinAgain(ctx, before)
		case <-ctx.Done():
			err = ctx.Err()
		}
	}()
	for ready := (<-chan struct{})(joined); ready != nil || r.blocked(); {
		if r.deliver(ctx, ready) {
			ready = nil
		}
		if ctx.Err() != nil {
			<-joined
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	old := r.Peers()
	r.enter(reply)
	r.emit(Rejoined{Err: why, Lost: lost})
	for _, p := range old {
		if now, here := r.peer(p.ID); !here {
			r.emit(Left{p, "lost"})
		} else if now.Epoch == p.Epoch && (now.Name != p.Name || now.Presence != p.Presence || !bytes.Equal(now.Meta, p.Meta)) {
			r.emit(Changed{now})
		}
	}
	for _, p := range reply.Peers {
		if !contains(old, p) {
			r.emit(Joined{peerOf(p)})
		}
	}
	return nil
}

func contains(peers []Peer, p wire.Peer) bool {
	for _, o := range peers {
		if o.ID == p.Peer && o.Epoch == p.Epoch {
			return true
		}
	}
	return false
}

// joinAgain joins under the same peer id. What stands in the way, and need not be kept, is let go.
func (r *runner) joinAgain(ctx context.Context, before wire.JoinReply) (wire.JoinReply, error) {
	ask := r.ask
	ask.Peer, ask.Resume = before.Peer, before.Secret
	j := joining{api: r.api, opts: r.opts, patient: true}
	for {
		reply, err := j.join(ctx, ask)
		var refused *Error
		switch {
		case !errors.As(err, &refused):
		case refused.Code == string(wire.ResumeUsed) && ask.Resume != "":
			ask.Resume = ""
			continue
		case refused.Code == string(wire.PeerTaken) && ask.Peer != r.opts.Peer:
			ask.Peer = r.opts.Peer // the id was the server's choice
			continue
		}
		return reply, err
	}
}

// emit has an event delivered. Of changes of the link only the last one matters.
func (r *runner) emit(e Event) {
	if r.leaving {
		return // nobody reads any more
	}
	if last := len(r.pending) - 1; last >= 0 {
		_, now := e.(LinkChanged)
		_, then := r.pending[last].(LinkChanged)
		if now && then {
			r.pending[last] = e
			return
		}
	}
	r.pending = append(r.pending, e)
}

// blocked says whether the app has to read before more may be received.
func (r *runner) blocked() bool { return len(r.pending) >= r.opts.Buffer && !r.leaving }

// next returns the channel to offer the next event on, and the event.
func (r *runner) next() (chan<- Event, Event) {
	if len(r.pending) == 0 {
		return nil, nil
	}
	return r.events, r.pending[0]
}

func (r *runner) taken() {
	r.pending[0] = nil
	if r.pending = r.pending[1:]; len(r.pending) == 0 {
		r.pending = nil // so that the memory before is freed
	}
}

// deliver waits until an event is taken, ctx ends, or ready, if not nil, is closed: then it returns true.
func (r *runner) deliver(ctx context.Context, ready <-chan struct{}) bool {
	events, next := r.next()
	select {
	case events <- next:
		r.taken()
	case <-ready:
		return true
	case <-ctx.Done():
	}
	return false
}

func (r *runner) peer(id string) (Peer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.roster[id]
	return p, ok
}

func (r *runner) setLink(kind Link) {
	r.mu.Lock()
	same := r.link == kind
	r.link = kind
	r.mu.Unlock()
	if !same {
		r.emit(LinkChanged{kind})
	}
}
