package signaling_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/internal/memory"
	"github.com/parley-rtc/parley/signaling/store"
)

// unreachable is a store that cannot be reached while a probe is confirmed, so many times.
type unreachable struct {
	store.Store
	times atomic.Int64
}

// Attach implements store.Store.
func (u *unreachable) Attach(ctx context.Context, ref store.Ref, l store.Link) (store.Attached, error) {
	if l.Use != 0 && u.times.Add(-1) >= 0 {
		return store.Attached{}, errors.New("it does not answer")
	}
	return u.Store.Attach(ctx, ref, l)
}

// A client uses a probe from when it said so: one that could not be confirmed must not stay open, and deaf.
func TestAProbeThatTheStoreCouldNotConfirmIsClosed(t *testing.T) {
	rooms := &unreachable{Store: memory.New()}
	rooms.times.Store(1)
	s := serve(t, signaling.Config{Store: rooms})
	alice, bob := s.join("room", as("alice")), s.join("room", as("bob"))
	use := func() *wsLink {
		l := alice.dial("?probe=1")
		l.text(fmt.Sprintf(`{"kind":"use","link":%d,"after":0}`, l.expect(wire.KindHello).Link))
		return l
	}
	l := use()
	if d := l.expect(wire.KindRefused); d.Code != wire.Unavailable {
		t.Errorf("the use is refused as %s, want %s", d.Code, wire.Unavailable)
	}
	l.expectClose(wire.Unavailable.Row().Close)
	l = use()
	l.expect(wire.KindJoined)
	bob.link().signal(alice, "1")
	l.expect(wire.KindSignal)
}

// slow is a store that does not answer while a link is opened, for as long as it may.
type slow struct {
	store.Store
	asked chan struct{}
}

// Attach implements store.Store.
func (s slow) Attach(ctx context.Context, _ store.Ref, _ store.Link) (store.Attached, error) {
	close(s.asked)
	<-ctx.Done()
	return store.Attached{}, fmt.Errorf("attach: %w", ctx.Err())
}

// A client that gives up what it asked for is no fault of the store's, and not refused.
func TestARequestWhoseClientHasGoneIsNoFailureOfTheStore(t *testing.T) {
	var log bytes.Buffer // read when the poll is over
	over := make(chan struct{})
	rooms := slow{memory.New(), make(chan struct{})}
	cfg := signaling.Config{Store: rooms, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))}
	s := serve(t, cfg, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if strings.HasSuffix(r.URL.Path, "/frames") {
				close(over)
			}
		})
	})
	alice := s.join("room", as("alice"))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+alice.path+"/frames", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+alice.Secret)
	go func() {
		<-rooms.asked
		cancel()
	}()
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("the poll ends with %v, want that it was given up", err)
	}
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatal("the store was not told that nobody waits")
	}
	if got := s.Stats().Refused; log.Len() > 0 || got > 0 {
		t.Errorf("%d are counted as refused; the log says %q", got, log.String())
	}
}
