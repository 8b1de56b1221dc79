package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

// When the reply of a join is lost, and the session that it made is over before the join can be
// repeated, the client has to make another.
func TestJoiningAgainAfterTheSessionOfALostReplyIsOver(t *testing.T) {
	t.Parallel()
	var joins atomic.Int64
	lose := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/sessions") || joins.Add(1) > 1 {
				next.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(httptest.NewRecorder(), r)
			peers := func() int {
				all, err := next.(*signaling.Server).Peers(r.Context(), "lobby")
				if err != nil {
					t.Error(err)
				}
				return len(all)
			}
			for deadline := time.Now().Add(patience / 2); peers() > 0 && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
			panic(http.ErrAbortHandler)
		})
	}
	s := serve(t, signaling.Config{Timing: signaling.Timing{Unlinked: 100 * time.Millisecond}}, lose)
	join(t, s.url, Options{Peer: "alice"}).awaitLink(WebSocket)
	if got := joins.Load(); got != 3 {
		t.Errorf("there were %d joins; want the lost one, its repetition and the other", got)
	}
}

// A proxy that has no patience with a poll asks again. When what opens a link is asked for twice
// the second link supersedes the first, whichever of the answers the client has.
func TestAnOpeningThatAProxyRepeats(t *testing.T) {
	t.Parallel()
	var openings atomic.Int64
	again := make(chan struct{})
	repeat := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			opens := strings.HasSuffix(r.URL.Path, "/frames") && r.Method == http.MethodGet && !r.URL.Query().Has("link")
			if !opens || openings.Add(1) > 1 {
				next.ServeHTTP(w, r)
				return
			}
			time.Sleep(quickly + 100*time.Millisecond)
			next.ServeHTTP(w, r)
			late := r.Clone(t.Context())
			go func() {
				defer close(again)
				time.Sleep(200 * time.Millisecond)
				next.ServeHTTP(httptest.NewRecorder(), late)
			}()
		})
	}
	s := serve(t, signaling.Config{}, repeat)
	alice := join(t, s.url, Options{Peer: "alice", Link: LongPoll})
	bob := join(t, s.url, Options{Peer: "bob"})
	<-again
	bob.send("alice", 1)
	await[Signal](alice, nil)
	if got := openings.Load(); got < 2 {
		t.Errorf("there were %d openings, want that the client opened another link", got)
	}
}
