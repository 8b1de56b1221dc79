package signaling_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/signaling"
)

// TestAFullRoomTalksAtOnce has as many peers as a room holds join at the same moment, and each send each other an
// offer and a dozen candidates: nothing may be refused, and nobody's session end, with the default limits.
func TestAFullRoomTalksAtOnce(t *testing.T) {
	for name, links := range map[string][]client.Link{
		"over WebSockets": {client.WebSocket},
		"over WebSockets, events and polls, a third": {client.WebSocket, client.Events, client.LongPoll},
	} {
		t.Run(name, func(t *testing.T) { fullRoom(t, links) })
	}
}

func fullRoom(t *testing.T, links []client.Link) {
	const (
		peers      = 64
		candidates = 12
		limit      = 3 * time.Minute // on a machine that is busy
	)
	s := serve(t, signaling.Config{Limits: signaling.Limits{PerAddress: peers}})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	text := func(n int) json.RawMessage {
		size := 200
		if n == 0 {
			size = 3500
		}
		return fmt.Appendf(nil, `{"n":%d,"text":%q}`, n, strings.Repeat("a=candidate ", size/12))
	}
	var arrived atomic.Int64
	var work sync.WaitGroup
	faults := make(chan error, peers)
	everybody := make(chan struct{}) // closed when all have joined and heard
	var there sync.WaitGroup
	there.Add(peers)
	began := time.Now()
	go func() {
		there.Wait()
		close(everybody)
	}()
	over := make(chan struct{}) // closed when all are done
	var busy sync.WaitGroup
	busy.Add(peers)
	go func() {
		busy.Wait()
		close(over)
	}()
	one := func(i int) (err error) {
		in, done := sync.OnceFunc(there.Done), sync.OnceFunc(busy.Done)
		defer in()
		defer done()
		session, err := client.Join(ctx, s.url, "full", client.Options{Peer: fmt.Sprint("p", i), Link: links[i%len(links)], Logger: quiet(), Queue: peers * (candidates + 1)})
		if err != nil {
			return err
		}
		defer session.Close()
		in()
		select {
		case <-everybody:
		case <-ctx.Done():
			return ctx.Err()
		}
		sent := make(chan error, 1)
		go func() {
			for other := range peers {
				for n := 0; n <= candidates && other != i; n++ {
					if err := session.Send(ctx, fmt.Sprint("p", other), 0, text(n)); err != nil {
						sent <- err
						return
					}
				}
			}
			sent <- nil
		}()
		next := map[string]int{}
		for missing := (peers - 1) * (candidates + 1); missing > 0; {
			select {
			case e := <-session.Events():
				switch e := e.(type) {
				case client.Signal:
					if want := text(next[e.From]); string(e.Data) != string(want) {
						return fmt.Errorf("from %s: got %.30s, want message %d", e.From, e.Data, next[e.From])
					}
					next[e.From]++
					missing--
					arrived.Add(1)
				case client.Refused, client.Rejoined, client.Ended, client.Left, nil:
					return fmt.Errorf("got %T %+v", e, e)
				}
			case <-ctx.Done():
				return fmt.Errorf("%d messages are missing over %v: %w", missing, session.Link(), ctx.Err())
			}
		}
		if err := <-sent; err != nil {
			return err
		}
		done()
		for { // nobody goes before the last one has heard everything
			select {
			case <-over:
				return nil
			case e := <-session.Events():
				return fmt.Errorf("got %T %+v after everything", e, e)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	for i := range peers {
		work.Go(func() {
			if err := one(i); err != nil && (!errors.Is(err, context.Canceled) || ctx.Err() == nil) {
				faults <- fmt.Errorf("p%d: %w", i, err)
				cancel()
			}
		})
	}
	work.Wait()
	close(faults)
	for err := range faults {
		t.Error(err)
	}
	if refused := s.Stats().Refused; refused > 0 && !t.Failed() {
		t.Errorf("%d requests or frames were refused", refused)
	}
	t.Logf("%d frames in %.1f s", arrived.Load(), time.Since(began).Seconds())
}
