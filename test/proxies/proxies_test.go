package proxies

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
)

const (
	signals = 300 // each way
	soon    = 2 * time.Second
)

var rooms atomic.Int64 // used

var kinds = []client.Link{client.WebSocket, client.Events, client.LongPoll, client.ShortPoll}

func TestClientsLoseNothingBehindAnyProxy(t *testing.T) {
	t.Parallel()
	to := serve(t)
	t.Run("proxies", func(t *testing.T) {
		for _, s := range shapes(t) {
			t.Run(s.name, func(t *testing.T) { s.run(t, to) })
		}
	})
}

func (s shape) run(t *testing.T, to *service) {
	f := start(t, to, s.program, s.config)
	url := "http://" + f.addr + s.path
	if s.tls {
		url = "https://" + f.addr + s.path
	}
	s.greet(t, to, url) // before others take the processor's time
	t.Parallel()
	t.Run("auto", func(t *testing.T) {
		t.Parallel()
		s.climb(t, to, url)
	})
	for _, kind := range kinds {
		t.Run("only "+kind.String(), func(t *testing.T) {
			t.Parallel()
			alice, bob := s.pair(t, to, url, kind)
			if slices.Contains(s.works, kind) {
				converse(t, alice, bob, 0, signals, s.silence)
				return
			}
			time.Sleep(2 * time.Second)
			if alice.used(kind) || bob.used(kind) {
				t.Errorf("a link of %v was in use", kind)
			}
		})
	}
	if s.restarts {
		t.Run("restarts", func(t *testing.T) {
			t.Parallel()
			for range 3 {
				time.Sleep(2 * time.Second)
				f.restart(300 * time.Millisecond)
			}
		})
	}
}

func (s shape) pair(t *testing.T, to *service, url string, kind client.Link) (alice, bob *member) {
	t.Helper()
	room := fmt.Sprint("room", rooms.Add(1))
	bob = join(t, url, room, client.Options{Peer: "bob", Link: kind, HTTPClient: to.client(t)})
	alice = join(t, url, room, client.Options{Peer: "alice", Link: kind, HTTPClient: to.client(t)})
	return alice, bob
}

// greet measures how long it takes from the beginning of a join until another peer has the first signal.
func (s shape) greet(t *testing.T, to *service, url string) {
	t.Helper()
	room := fmt.Sprint("room", rooms.Add(1))
	bob := join(t, url, room, client.Options{Peer: "bob", HTTPClient: to.client(t)})
	began := time.Now()
	alice := join(t, url, room, client.Options{Peer: "alice", HTTPClient: to.client(t)})
	joined := time.Since(began)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := alice.Send(ctx, "bob", 0, "0 hello"); err != nil {
		t.Fatal(err)
	}
	bob.hear(1)
	took := time.Since(began)
	t.Logf("joined after %v, the first signal came after %v", joined.Round(time.Millisecond), took.Round(time.Millisecond))
	if took > soon {
		t.Errorf("the first signal came after %v, want it within %v", took, soon)
	}
	for _, m := range []*member{alice, bob} {
		if err := m.Leave(ctx); err != nil {
			t.Errorf("%s cannot leave: %v", m.ID(), err)
		}
	}
}

// climb has two clients choose their links, and talk all the while.
func (s shape) climb(t *testing.T, to *service, url string) {
	t.Helper()
	began := time.Now()
	alice, bob := s.pair(t, to, url, client.Auto)
	converse(t, alice, bob, 0, signals, s.silence)
	// What does not prove itself is given up after 8 s.
	time.Sleep(time.Until(began.Add(9 * time.Second)))
	for _, m := range []*member{alice, bob} {
		m.settle(s.settles, long)
	}
	converse(t, alice, bob, signals, 20, 0)
	for _, m := range []*member{alice, bob} {
		for _, kind := range kinds {
			if m.used(kind) && !slices.Contains(s.works, kind) {
				t.Errorf("%s used a link of %v", m.ID(), kind)
			}
		}
	}
}
