package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

var kinds = []Link{Auto, WebSocket, Events, LongPoll, ShortPoll}

func TestEveryLinkCarriesEverything(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, signaling.Config{})
			bob := join(t, s.url, Options{Peer: "bob", Link: kind})
			alice := join(t, s.url, Options{Peer: "alice", Name: "Alice", Link: kind})
			want := kind
			if kind == Auto {
				want = WebSocket
			}
			bob.awaitLink(want)
			if got := alice.Peers(); len(got) != 1 || got[0].ID != "bob" {
				t.Errorf("the roster of the join is %v, want bob", got)
			}
			if len(bob.Peers()) == 0 {
				await(bob, func(j Joined) bool { return j.Peer.Name == "Alice" && j.Peer.Epoch == alice.Epoch() })
			}
			alice.send("bob", "hello")
			got := await[Signal](bob, nil)
			if got.From != "alice" || string(got.Data) != `"hello"` || got.Epoch != alice.Epoch() {
				t.Errorf("got %+v, want hello from alice", got)
			}
			bob.send("alice", map[string]int{"n": 1})
			if got := await[Signal](alice, nil); string(got.Data) != `{"n":1}` {
				t.Errorf("got %s", got.Data)
			}
			ctx := t.Context()
			if err := alice.Broadcast(ctx, "all"); err != nil {
				t.Fatal(err)
			}
			if got := await[Signal](bob, nil); !got.Broadcast {
				t.Errorf("got %+v, want a broadcast", got)
			}
			name := "Alicia"
			if err := alice.Change(ctx, Change{Name: &name}); err != nil {
				t.Fatal(err)
			}
			await(bob, func(c Changed) bool { return c.Peer.Name == name })
			if err := alice.Send(ctx, "nobody", 0, 1); err != nil {
				t.Fatal(err)
			}
			if got := await[Refused](alice, nil); got.To != "nobody" || got.Err.Code != "no_peer" {
				t.Errorf("got %+v, want no_peer", got)
			}
			alice.send("bob", "last words")
			if err := alice.Leave(ctx); err != nil {
				t.Errorf("leave: %v", err)
			}
			await(bob, func(s Signal) bool { return string(s.Data) == `"last words"` })
			if got := await[Left](bob, nil); got.Peer.ID != "alice" || got.Reason != "leave" {
				t.Errorf("got %+v, want that alice left", got)
			}
			if err := alice.Send(ctx, "bob", 0, 1); !errors.Is(err, ErrClosed) {
				t.Errorf("sending after Leave: %v, want ErrClosed", err)
			}
		})
	}
}

func TestNothingIsLostOrSwappedWhenLinksAreCut(t *testing.T) {
	const count = 400
	for i, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, signaling.Config{})
			cut := cutting(t, strings.TrimPrefix(s.url, "http://"), uint64(i+1))
			pace := brisk
			pace.again, pace.againMax, pace.prove = 200*time.Millisecond, 400*time.Millisecond, time.Second
			alice := join(t, cut.url(), Options{Peer: "alice", Link: kind, pace: pace})
			bob := join(t, cut.url(), Options{Peer: "bob", Link: kind, pace: pace})
			go talk(alice, "bob", count)
			go talk(bob, "alice", count)
			heard := make(chan error, 2)
			go func() { heard <- hear(alice, "bob", count) }()
			go func() { heard <- hear(bob, "alice", count) }()
			for range 2 {
				if err := <-heard; err != nil {
					t.Error(err)
				}
			}
			if cut.cuts.Load() < 5 {
				t.Errorf("only %d connections were cut", cut.cuts.Load())
			}
		})
	}
}

func talk(m *member, to string, count int) {
	for n := range count {
		if m.Send(m.t.Context(), to, 0, fmt.Sprintf("%d %s", n, strings.Repeat("x", n%200))) != nil {
			return
		}
		if n%10 == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// hear checks that count signals come in order.
func hear(m *member, from string, count int) error {
	timeout := time.After(patience)
	for n := 0; n < count; {
		select {
		case e := <-m.Events():
			switch e := e.(type) {
			case Signal:
				text, _, _ := strings.Cut(strings.Trim(string(e.Data), `"`), " ")
				if got, err := strconv.Atoi(text); err != nil || got != n || e.From != from {
					return fmt.Errorf("%s: got signal %.20s of %s, want %d of %s", m.ID(), e.Data, e.From, n, from)
				}
				n++
			case Refused, Rejoined, Ended, nil:
				return fmt.Errorf("%s: got %T %+v after %d signals", m.ID(), e, e, n)
			}
		case <-timeout:
			return fmt.Errorf("%s: only %d signals came; link %v", m.ID(), n, m.Link())
		}
	}
	return nil
}

func TestEventsWhereWebSocketsAreRefusedAndBackAgain(t *testing.T) {
	t.Parallel()
	var on atomic.Bool
	on.Store(true)
	s := serve(t, signaling.Config{}, refuse("/ws", &on))
	pace := brisk
	pace.again, pace.againMax = 300*time.Millisecond, 300*time.Millisecond
	m := join(t, s.url, Options{pace: pace})
	m.awaitLink(Events)
	on.Store(false)
	m.awaitLink(WebSocket)
	for _, e := range m.seen {
		if l, is := e.(LinkChanged); is && l.Link == Auto {
			t.Errorf("there was no link for a while: %v", m.seen)
		}
	}
}

// holding is a proxy that does not pass a stream on before its end.
type holding struct{ http.ResponseWriter }

func (holding) FlushError() error { return nil }

func (holding) SetWriteDeadline(time.Time) error { return nil }

func TestLongPollsWhereEventsAreHeldBack(t *testing.T) {
	t.Parallel()
	var on atomic.Bool
	on.Store(true)
	hold := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/events") {
				w = holding{w}
			}
			next.ServeHTTP(w, r)
		})
	}
	s := serve(t, signaling.Config{}, refuse("/ws", &on), hold)
	pace := brisk
	pace.prove = 300 * time.Millisecond
	alice := join(t, s.url, Options{Peer: "alice", pace: pace})
	bob := join(t, s.url, Options{Peer: "bob", pace: pace})
	time.Sleep(1500 * time.Millisecond) // for the quick polls to end
	bob.send("alice", 1)
	await[Signal](alice, nil)
	if got := alice.Link(); got != LongPoll {
		t.Errorf("the link is %v, want long poll", got)
	}
}

func TestPollsAdaptToWhatCutsThem(t *testing.T) {
	t.Parallel()
	var waited atomic.Value
	cut := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wait, _ := strconv.ParseFloat(r.URL.Query().Get("wait"), 64)
			if wait > 0.6 {
				ctx, cancel := context.WithTimeout(r.Context(), 600*time.Millisecond)
				defer cancel()
				<-ctx.Done()
				panic(http.ErrAbortHandler)
			}
			if wait > 0 {
				waited.Store(wait)
			}
			next.ServeHTTP(w, r)
		})
	}
	s := serve(t, signaling.Config{}, cut)
	alice := join(t, s.url, Options{Peer: "alice", Link: LongPoll})
	bob := join(t, s.url, Options{Peer: "bob", Link: WebSocket})
	time.Sleep(2 * time.Second)
	bob.send("alice", 1)
	await[Signal](alice, nil)
	if got := waited.Load(); got != 0.5 {
		t.Errorf("polls wait %v s, want 0.5", got)
	}
	for _, e := range alice.seen {
		if l, is := e.(LinkChanged); is && l.Link == Auto {
			t.Errorf("the link was given up: %v", alice.seen)
		}
	}
}

// TestAPollThatArrivesTwiceEndsNothing repeats polls, as proxies do when a backend is slow: the repetition is the newer poll,
// so the client's own is answered as superseded.
func TestAPollThatArrivesTwiceEndsNothing(t *testing.T) {
	t.Parallel()
	var polls, repeated atomic.Int64
	repeat := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("wait") != "" && polls.Add(1)%2 == 1 {
				again := r.Clone(r.Context())
				query := again.URL.Query()
				query.Del("wait")
				again.URL.RawQuery = query.Encode()
				late := make(chan struct{})
				defer func() { <-late }()
				go func() {
					defer close(late)
					time.Sleep(50 * time.Millisecond) // the client's own has arrived
					next.ServeHTTP(httptest.NewRecorder(), again)
					repeated.Add(1)
				}()
			}
			next.ServeHTTP(w, r)
		})
	}
	s := serve(t, signaling.Config{}, repeat)
	alice := join(t, s.url, Options{Peer: "alice", Link: LongPoll})
	bob := join(t, s.url, Options{Peer: "bob", Link: WebSocket})
	for n := 0; n < 10 || repeated.Load() < 5; n++ {
		bob.send("alice", n)
		if got := await[Signal](alice, nil); alice.number(got) != n {
			t.Fatalf("got %s, want %d", got.Data, n)
		}
		time.Sleep(150 * time.Millisecond) // for the next poll to be repeated while it waits
	}
	if err := alice.Err(); err != nil {
		t.Errorf("the session ended: %v", err)
	}
}
