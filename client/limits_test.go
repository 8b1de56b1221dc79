package client

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

// What is over the server's rate is sent again, until all of it arrived, once and in order.
func TestSendsAgainWhatWasOverTheRate(t *testing.T) {
	const frames = 40
	limits := signaling.Limits{Peers: 4, Frame: 4 << 10, Broadcast: 64, Meta: 64, Rate: 16 << 10, Burst: 8 << 10}
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, signaling.Config{Limits: limits})
			bob := join(t, s.url, Options{Peer: "bob"})
			alice := join(t, s.url, Options{Peer: "alice", Link: kind})
			await[LinkChanged](alice, nil)
			began := time.Now()
			for n := range frames {
				alice.send("bob", map[string]any{"n": n, "fill": strings.Repeat("x", 1000)})
			}
			for n := range frames {
				got := await[Signal](bob, nil)
				if want := `"n":` + decimal(int64(n)) + `}`; !strings.HasSuffix(string(got.Data), want) {
					t.Fatalf("signal %d is …%s", n, got.Data[max(0, len(got.Data)-20):])
				}
			}
			// 46 kilobytes, of which 8 at once, and 16 a second.
			if took := time.Since(began); took < time.Second {
				t.Errorf("all arrived in %v: nothing was over the rate", took)
			}
			for _, e := range alice.seen {
				if _, is := e.(Refused); is {
					t.Errorf("alice was told %+v", e)
				}
			}
		})
	}
}

// A client whose own timer does not come to it acknowledges with the next ping.
func TestAcknowledgesWithEveryPing(t *testing.T) {
	timing := signaling.Timing{Heartbeat: 200 * time.Millisecond, Lease: 5 * time.Second, Slow: 600 * time.Millisecond}
	late := brisk
	late.ack = time.Hour
	for _, kind := range []Link{WebSocket, Events} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, signaling.Config{Timing: timing})
			bob := join(t, s.url, Options{Peer: "bob", Link: kind, pace: late})
			bob.awaitLink(kind)
			alice := join(t, s.url, Options{Peer: "alice"})
			for n := range 4 {
				alice.send("bob", n)
				if got := await[Signal](bob, nil); bob.number(got) != n {
					t.Errorf("got %s, want %d", got.Data, n)
				}
				time.Sleep(timing.Slow / 2)
			}
			time.Sleep(2 * timing.Slow)
			alice.send("bob", "last")
			await[Signal](bob, nil)
			for _, e := range bob.seen {
				if again, is := e.(Rejoined); is {
					t.Errorf("bob lost the session: %v", again.Err)
				}
			}
		})
	}
}

func TestJoinsWhenTheRateOfJoinsAllowsIt(t *testing.T) {
	t.Parallel()
	var joins atomic.Int64
	count := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/sessions") {
				joins.Add(1)
			}
			next.ServeHTTP(w, r)
		})
	}
	s := serve(t, signaling.Config{Limits: signaling.Limits{JoinRate: 2, JoinBurst: 1, PerAddress: 3}}, count)
	for range 3 {
		join(t, s.url, Options{})
	}
	if got := joins.Load(); got < 4 || got > 12 {
		t.Errorf("%d requests, want a few that were over the rate", got)
	}
	time.Sleep(time.Second)
	_, err := Join(t.Context(), s.url, "lobby", Options{Logger: quiet(), pace: brisk})
	var refused *Error
	if !errors.As(err, &refused) || refused.Code != string(wire.TooManySessions) {
		t.Errorf("got %v, want too_many_sessions at once", err)
	}
}
