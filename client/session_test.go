package client

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

func TestJoinsAgainWhenTheServerHasLostItsRooms(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, signaling.Config{})
			alice := join(t, s.url, Options{Peer: "alice", Link: kind})
			bob := join(t, s.url, Options{Link: kind})
			name, epoch := bob.ID(), bob.Epoch()
			await(alice, func(j Joined) bool { return j.Peer.ID == name })
			await[LinkChanged](bob, nil)

			s.start(signaling.Config{})
			if got := await[Rejoined](bob, nil); got.Err == nil {
				t.Error("no reason is given")
			}
			await[Rejoined](alice, nil)
			if bob.ID() != name || bob.Epoch() <= epoch {
				t.Errorf("joined again as %s, epoch %d; want %s, over %d", bob.ID(), bob.Epoch(), name, epoch)
			}
			deadline := time.Now().Add(patience)
			for len(bob.Peers()) == 0 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			bob.send("alice", 7)
			if got := await[Signal](alice, nil); got.From != name || alice.number(got) != 7 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestTheSameSessionWhenTheReplyOfTheJoinIsLost(t *testing.T) {
	t.Parallel()
	var joins atomic.Int64
	lose := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/sessions") && joins.Add(1) == 1 {
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}
	s := serve(t, signaling.Config{}, lose)
	m := join(t, s.url, Options{Peer: "alice"})
	if got := s.server.Stats().Joins; got != 1 || joins.Load() != 2 || m.ID() != "alice" {
		t.Errorf("%d sessions by %d joins as %s, want 1 by 2 as alice", got, joins.Load(), m.ID())
	}
}

func TestRefusedJoins(t *testing.T) {
	t.Parallel()
	s := serve(t, signaling.Config{Authenticate: func(r *http.Request) (signaling.Identity, error) {
		if r.Header.Get("Authorization") != "Bearer good" {
			return signaling.Identity{}, errors.New("no")
		}
		return signaling.Identity{Name: "Ada"}, nil
	}})
	token := func(text string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return text, nil }
	}
	first := join(t, s.url, Options{Peer: "ada", Token: token("good")})
	if first.Name() != "Ada" {
		t.Errorf("the name is %q, want the app's", first.Name())
	}
	for name, c := range map[string]struct {
		opts   Options
		code   string
		status int
	}{
		"a wrong token":            {Options{Token: token("bad")}, "unauthorized", 401},
		"a peer id that is in use": {Options{Peer: "ada", Token: token("good")}, "peer_taken", 409},
		"a name that is too long":  {Options{Name: strings.Repeat("x", 65), Token: token("good")}, "bad_field", 400},
	} {
		t.Run(name, func(t *testing.T) {
			c.opts.Logger = quiet()
			_, err := Join(t.Context(), s.url, "lobby", c.opts)
			var refused *Error
			if !errors.As(err, &refused) || refused.Code != c.code || refused.Status != c.status {
				t.Errorf("got %v, want %s with status %d", err, c.code, c.status)
			}
		})
	}
	noToken := errors.New("no token")
	_, err := Join(t.Context(), s.url, "lobby", Options{Token: func(context.Context) (string, error) { return "", noToken }})
	if !errors.Is(err, noToken) {
		t.Errorf("got %v, want the app's error", err)
	}
	_, err = Join(t.Context(), "ftp://x", "a room", Options{Peer: "?", Queue: -1})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want four faults", err)
	}
}

func TestJoinTriesUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer down.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := Join(ctx, down.URL, "lobby", Options{Logger: quiet(), pace: brisk})
	var refused *Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &refused) || refused.Status != http.StatusBadGateway {
		t.Errorf("got %v, want the deadline's error and the last one", err)
	}
}

func TestTheSessionIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*service, *member)
		code string
	}{
		"when the operator ends it": {func(s *service, m *member) {
			_ = s.server.Disconnect(t.Context(), "lobby", m.ID())
		}, "kicked"},
		"when its peer id is taken over": {func(s *service, m *member) {
			join(m.t, s.url, Options{Peer: m.ID(), Resume: m.Secret()})
		}, "resumed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, signaling.Config{})
			m := join(t, s.url, Options{Link: WebSocket})
			m.awaitLink(WebSocket)
			c.end(s, m)
			got := await[Ended](m, nil)
			var refused *Error
			if !errors.As(got.Err, &refused) || refused.Code != c.code {
				t.Errorf("ended with %v, want %s", got.Err, c.code)
			}
			if _, open := <-m.Events(); open {
				t.Error("something follows Ended")
			}
			if err := m.Send(t.Context(), "x", 0, 1); !errors.As(err, &refused) {
				t.Errorf("sending returns %v, want why the session is over", err)
			}
		})
	}
}

// Whoever takes over with a session's secret again and again has it in the end, and soon: what was sent late does so but once.
func TestTheSessionIsOverWhenAnotherClientInsists(t *testing.T) {
	for name, c := range map[string]struct {
		opening time.Duration
		times   int
	}{
		"and nothing may come late":        {0, maxDenied},
		"while an opening may be repeated": {quickly + 100*time.Millisecond, maxDeniedLate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened sync.Once
			s := serve(t, signaling.Config{}, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/ws") {
						opened.Do(func() { time.Sleep(c.opening) })
					}
					next.ServeHTTP(w, r)
				})
			})
			m := join(t, s.url, Options{Link: WebSocket, pace: pace{steady: time.Hour, retry: 20 * time.Millisecond}})
			m.awaitLink(WebSocket)
			ctx, cancel := context.WithCancel(t.Context())
			times := 0
			var other sync.WaitGroup
			other.Go(func() {
				for ctx.Err() == nil {
					conn, err := m.api.dial(ctx, "/"+m.joined().Session+"/ws", m.Secret())
					if err != nil {
						return
					}
					times++
					stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
					for err == nil {
						_, _, err = conn.ReadMessage()
					}
					stop()
					_ = conn.Close()
				}
			})
			got := await[Ended](m, nil)
			cancel()
			other.Wait()
			var refused *Error
			if !errors.As(got.Err, &refused) || refused.Code != "superseded" || times != c.times {
				t.Errorf("ended with %v after another one took over %d times, want superseded after %d", got.Err, times, c.times)
			}
		})
	}
}

func TestJoinsAgainWithAFreshTokenWhenItsTokenExpires(t *testing.T) {
	t.Parallel()
	var tokens atomic.Int64
	s := serve(t, signaling.Config{Authenticate: func(*http.Request) (signaling.Identity, error) {
		if tokens.Load() > 1 {
			return signaling.Identity{}, nil
		}
		return signaling.Identity{Expires: time.Now().Add(200 * time.Millisecond)}, nil
	}})
	m := join(t, s.url, Options{Peer: "alice", Token: func(context.Context) (string, error) {
		tokens.Add(1)
		return "token", nil
	}})
	got := await[Rejoined](m, nil)
	var refused *Error
	if !errors.As(got.Err, &refused) || refused.Code != "expired" || m.ID() != "alice" {
		t.Errorf("joined again as %s for %v, want alice for expired", m.ID(), got.Err)
	}
}

func TestAnAppThatDoesNotReadHoldsBackItsSender(t *testing.T) {
	t.Parallel()
	const quarter = 512 // of a mailbox may be of one sender
	s := serve(t, signaling.Config{})
	for _, kind := range []Link{WebSocket, LongPoll} {
		slow := join(t, s.url, Options{Link: kind, Buffer: 8})
		fast := join(t, s.url, Options{Link: WebSocket})
		for n := range quarter + 300 {
			fast.send(slow.ID(), n)
		}
		if got := await[Refused](fast, nil); got.Err.Code != "busy" {
			t.Errorf("%v: refused for %s, want busy", kind, got.Err.Code)
		}
		for n := range quarter {
			if got := slow.number(await[Signal](slow, nil)); got != n {
				t.Fatalf("%v: got signal %d, want %d", kind, got, n)
			}
		}
	}
}

func TestSendingWhereEventsAreReadGoesOn(t *testing.T) {
	t.Parallel()
	const each = 300
	for _, kind := range []Link{WebSocket, Events, LongPoll} {
		s := serve(t, signaling.Config{})
		m := join(t, s.url, Options{Link: kind, Buffer: 4, Queue: 8})
		m.awaitLink(kind)
		for range each {
			m.send("nobody", 1) // each is answered by a refusal
		}
		for range each {
			await[Refused](m, nil)
		}
	}
}

func TestASilentLinkIsReplaced(t *testing.T) {
	for _, kind := range []Link{WebSocket, Events} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, signaling.Config{Timing: signaling.Timing{Heartbeat: 600 * time.Millisecond}})
			cut := cutting(t, strings.TrimPrefix(s.url, "http://"), 1)
			cut.sharp.Store(false)
			pace := brisk
			pace.pong = 500 * time.Millisecond
			m := join(t, cut.url(), Options{Link: kind, pace: pace})
			m.awaitLink(kind)
			time.Sleep(2 * time.Second)
			if m.Link() != kind {
				t.Error("a live link was given up")
			}
			cut.deaf.Store(true)
			m.awaitLink(Auto)
			cut.deaf.Store(false)
			for c := range cut.connections() {
				c.Close() // what was swallowed does not come again
			}
			m.awaitLink(kind)
		})
	}
}

func TestSendingWaitsWhenTheServerDoesNotTakeIt(t *testing.T) {
	t.Parallel()
	var on atomic.Bool
	on.Store(true)
	s := serve(t, signaling.Config{}, refuse("/ws", &on))
	m := join(t, s.url, Options{Link: WebSocket, Queue: 3})
	for n := range 3 {
		m.send("x", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := m.Send(ctx, "x", 0, 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the fourth of three: %v, want the deadline's error", err)
	}
	for name, err := range map[string]error{
		"too large":    m.Send(t.Context(), "x", 0, strings.Repeat("x", 65536)),
		"no peer id":   m.Send(t.Context(), "", 0, 1),
		"not JSON":     m.Send(t.Context(), "x", 0, func() {}),
		"a large cast": m.Broadcast(t.Context(), strings.Repeat("x", 8192)),
	} {
		var refused *Error
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	on.Store(false)
	for range 3 {
		await[Refused](m, nil) // they arrived: there is no x
	}
}

func TestUplinkNumbers(t *testing.T) {
	var u uplink
	for _, text := range []string{`{"a":1}`, `{"b":1}`, `{"c":1}`} {
		u.add([]byte(text))
	}
	first, frames := u.take(2, 100)
	if first != 1 || len(frames) != 2 || u.sent != 2 {
		t.Fatalf("took %d frames from %d", len(frames), first)
	}
	if got := string(numbered(first, frames[0])); got != `{"n":1,"a":1}` {
		t.Errorf("got %s", got)
	}
	u.ack(1)
	u.ack(0) // an old one
	u.rewind()
	if first, frames = u.take(9, 1); first != 2 || len(frames) != 1 {
		t.Errorf("took %d frames from %d, want 1 from 2: one goes whatever its size", len(frames), first)
	}
	u.ack(99)
	if u.waiting() || u.bytes != 0 || u.received != 3 {
		t.Errorf("left are %d bytes after %d", u.bytes, u.received)
	}
}
