package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
)

const window = 24 // messages under way from one to the other: a mailbox has its limit

// talker is a client that sends numbered messages to another one, and checks those that it gets.
type talker struct {
	*client.Session
	kind  client.Link
	other *talker

	got      atomic.Int64 // messages
	links    atomic.Int64 // changes of the link
	lost     atomic.Int64 // changes of the link to none
	last     atomic.Int64 // message sent
	rejoined atomic.Int64
	why      atomic.Pointer[string] // it had to join again
	problem  atomic.Pointer[string]
	done     sync.WaitGroup
}

// enter joins a room, over one kind of link.
func enter(t testing.TB, room, peer string, kind client.Link, over *http.Client) *talker {
	t.Helper()
	return enterAt(t, "http://cluster.test", room, peer, kind, over)
}

// enterAt joins a room at a server's URL.
func enterAt(t testing.TB, url, room, peer string, kind client.Link, over *http.Client) *talker {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := client.Join(ctx, url, room, client.Options{Peer: peer, Link: kind, HTTPClient: over, Logger: quiet()})
	if err != nil {
		t.Fatalf("%s: %v", peer, err)
	}
	k := &talker{Session: s, kind: kind}
	k.done.Go(k.listen)
	t.Cleanup(func() {
		s.Close()
		k.done.Wait()
	})
	return k
}

// pair joins two to a room.
func pair(t testing.TB, room string, kind client.Link, over *http.Client) (one, two *talker) {
	t.Helper()
	one, two = enter(t, room, "one", kind, over), enter(t, room, "two", kind, over)
	one.other, two.other = two, one
	for _, k := range []*talker{one, two} {
		await(t, fmt.Sprintf("a link of %s in %s", k.ID(), room), func() bool { return k.Link() != client.Auto })
	}
	return one, two
}

func (k *talker) listen() {
	for e := range k.Events() {
		switch e := e.(type) {
		case client.Signal:
			var n int64
			if err := json.Unmarshal(e.Data, &n); err != nil || n != k.got.Load()+1 {
				k.report("got message %s, want %d", e.Data, k.got.Load()+1)
			}
			k.got.Add(1)
		case client.LinkChanged:
			k.links.Add(1)
			if e.Link == client.Auto {
				k.lost.Add(1)
			}
		case client.Rejoined:
			var refused *client.Error
			if errors.As(e.Err, &refused) {
				k.why.Store(&refused.Code)
			}
			k.rejoined.Add(1)
		case client.Left, client.Ended:
			k.report("got %T %+v", e, e)
		case client.Refused:
			k.report("refused: %v", e.Err)
		}
	}
}

func (k *talker) report(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	k.problem.CompareAndSwap(nil, &text)
}

// send sends messages from … to, no more at once than a mailbox holds.
func (k *talker) send(ctx context.Context, from, to int64) error {
	for n := from; n <= to; n++ {
		for n-k.other.got.Load() > window {
			if k.problem.Load() != nil || k.other.problem.Load() != nil {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%d of %d messages arrived: %w", k.other.got.Load(), to, ctx.Err())
			case <-time.After(5 * time.Millisecond):
			}
		}
		if err := k.Send(ctx, k.other.ID(), 0, n); err != nil {
			return err
		}
	}
	return nil
}

// talk has both send messages, and waits until all are there.
func talk(ctx context.Context, t testing.TB, room string, one, two *talker, messages int64) {
	var group sync.WaitGroup
	for _, k := range []*talker{one, two} {
		group.Go(func() {
			if err := k.send(ctx, 1, messages); err != nil {
				t.Errorf("%s in %s, link %v: %v", k.ID(), room, k.Link(), err)
			}
		})
	}
	group.Wait()
	for _, k := range []*talker{one, two} {
		for k.got.Load() < messages && k.problem.Load() == nil && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		k.check(t, room, messages)
	}
}

func (k *talker) check(t testing.TB, room string, messages int64) {
	t.Helper()
	if problem := k.problem.Load(); problem != nil {
		t.Errorf("%s in %s over %v: %s", k.ID(), room, k.kind, *problem)
	} else if got := k.got.Load(); got != messages {
		t.Errorf("%s in %s over %v: got %d messages, want %d", k.ID(), room, k.kind, got, messages)
	}
	if k.rejoined.Load() > 0 {
		t.Errorf("%s in %s over %v had to join again", k.ID(), room, k.kind)
	}
}

func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}
