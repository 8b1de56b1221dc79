package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

// talker is one of a pair.
type talker struct {
	pair
	id, room, url, kind string
	total               int64 // messages to send
	other               *talker
	tally               *tally
	dice                *rand.Rand    // owned by talk
	epoch               int64         // written before joined is closed
	joined              chan struct{} // closed when the others can send to it
	leave               func() error  // nil: talk failed
	drop                func()        // without a word

	sent    atomic.Int64
	got     atomic.Int64  // messages received
	lost    atomic.Int64  // of our own that were refused
	moved   chan struct{} // capacity 1: more may be sent
	next    int64         // the least number that may come; owned by talk
	heard   []bool        // which came; owned by talk
	refused []bool        // which of our own were refused, where that is told; owned by talk
}

func (p *talker) talk(ctx context.Context) error {
	if p.kind == "hopper" {
		return hop(ctx, p)
	}
	return p.asClient(ctx)
}

// may says whether the next message may be sent: so many are under way at most.
func (p *talker) may() bool {
	sent := p.sent.Load()
	return sent < p.total && sent-p.other.got.Load()-p.lost.Load() < int64(p.window)
}

// over says whether all was heard both ways.
func (p *talker) over() bool {
	return p.got.Load()+p.other.lost.Load() == p.other.total && p.other.got.Load()+p.lost.Load() == p.total
}

// nudge tells a talker that it may be able to go on.
func (p *talker) nudge() {
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// accounts checks that each message either came or was refused, where it is known which ones were.
func (p *talker) accounts() error {
	for n, came := range p.other.heard {
		if p.kind == "hopper" && came == p.refused[n] {
			return fmt.Errorf("message %d: came %v, refused %v", n, came, p.refused[n])
		}
	}
	return nil
}

// message returns the text of message n; some are as long as an offer, and some longer.
func message(n int64) []byte {
	pad := int(n*7919) % 300
	switch {
	case n%2500 == 99:
		pad = 40_000
	case n%250 == 42:
		pad = 4_000
	}
	return fmt.Appendf(nil, `{"n":%d,"pad":%q}`, n, strings.Repeat("x", pad))
}

// hear takes in a message of the other's.
func (p *talker) hear(from string, data []byte) error {
	var m struct{ N int64 }
	if err := json.Unmarshal(data, &m); err != nil || !bytes.Equal(data, message(m.N)) || from != p.other.id {
		return fmt.Errorf("got %.60q from %s", data, from)
	}
	if m.N < p.next || m.N > p.next && !p.floods {
		return fmt.Errorf("got message %d, want %d", m.N, p.next)
	}
	p.next = m.N + 1
	p.heard[m.N] = true
	p.got.Add(1)
	p.other.nudge()
	return nil
}

// wasRefused takes in that one of our own was refused.
func (p *talker) wasRefused(to, code string) error {
	if !p.floods || code != "busy" || to != p.other.id {
		return fmt.Errorf("refused for %q: %s", to, code)
	}
	p.lost.Add(1)
	p.nudge()
	p.other.nudge()
	return nil
}

// asClient talks by the Go client.
func (p *talker) asClient(ctx context.Context) error {
	forced := map[string]Link{"auto": Auto, "websocket": WebSocket, "events": Events, "long poll": LongPoll, "short poll": ShortPoll}
	s, err := Join(ctx, p.url, p.room, Options{Peer: p.id, Link: forced[p.kind], Logger: quiet(), pace: pace{
		retry: 20 * time.Millisecond, retryMax: 200 * time.Millisecond, life: 150 * time.Millisecond, eventsAfter: 100 * time.Millisecond,
		prove: 1500 * time.Millisecond, again: 200 * time.Millisecond, againMax: 800 * time.Millisecond, pong: 700 * time.Millisecond,
	}})
	if err != nil {
		return err
	}
	p.epoch = s.Epoch()
	close(p.joined)
	sending, cancel := context.WithCancel(ctx)
	sends := make(chan error, 1)
	go func() { sends <- p.sendAll(sending, s) }()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for err == nil && !p.over() {
		select {
		case e := <-s.Events():
			err = p.event(e)
		case <-look.C:
		case <-ctx.Done():
			err = fmt.Errorf("%w; link %v", ctx.Err(), s.Link())
		}
	}
	cancel()
	if e := <-sends; err == nil {
		err = e
	}
	if err != nil {
		s.Close()
		return err
	}
	extra := make(chan error, 1)
	p.drop = s.Close
	go func() { // until it is left
		defer close(extra)
		for e := range s.Events() {
			if m, is := e.(Signal); is {
				extra <- fmt.Errorf("got %.60q after everything", m.Data)
				return
			}
		}
	}()
	p.leave = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		return errors.Join(s.Leave(ctx), <-extra)
	}
	return nil
}

// sendAll sends every message, as soon as it may.
func (p *talker) sendAll(ctx context.Context, s *Session) error {
	for n := int64(0); n < p.total; n++ {
		for !p.may() {
			select {
			case <-p.moved:
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return nil // it is said elsewhere why
			}
		}
		if n == 0 {
			select {
			case <-p.other.joined:
			case <-ctx.Done():
				return nil
			}
		}
		if err := s.Send(ctx, p.other.id, p.other.epoch, json.RawMessage(message(n))); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		p.sent.Add(1)
	}
	return nil
}

func (p *talker) event(e Event) error {
	switch e := e.(type) {
	case Signal:
		if p.floods && p.dice.IntN(400) == 0 {
			time.Sleep(time.Duration(p.dice.IntN(300)) * time.Millisecond) // a mailbox fills meanwhile
		}
		return p.hear(e.From, e.Data)
	case Refused:
		return p.wasRefused(e.To, e.Err.Code)
	case LinkChanged:
		p.tally.add("link " + e.Link.String())
	case Left, Rejoined, Ended, nil:
		return fmt.Errorf("got %T %+v", e, e)
	}
	return nil
}
