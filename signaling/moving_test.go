package signaling_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/internal/memory"
)

// A server that drains goes on serving, asks everybody to move, and closes only what does not.
func TestADrainingServerServes(t *testing.T) {
	rooms := memory.New()
	s := serve(t, signaling.Config{Store: rooms})
	alice, bob, cyd := s.join("room", as("alice")), s.join("room", as("bob")), s.join("room", as("cyd"))
	link := alice.link()
	link.expect(wire.KindJoined)
	link.expect(wire.KindJoined)
	events, err := bob.open("events", 1, false)
	s.must(err)
	waits := cyd.poll(t.Context(), "&after=0")
	time.Sleep(parks)

	drained := make(chan error, 1)
	go func() { drained <- s.Drain(t.Context(), 3*time.Second) }()
	for asked := 0; asked < 2; {
		select {
		case d := <-link.frames:
			if d.Kind == wire.KindDrain {
				asked++
				link.signal(bob, `"by the link that was asked"`)
			}
		case d := <-events.frames:
			if d.Kind == wire.KindDrain {
				asked++
			}
		case <-time.After(2 * patience):
			t.Fatalf("%d of two links were asked to move", asked)
		}
	}
	if got := await(t, waits); got.status != http.StatusOK || !got.closed || len(got.Frames) > 0 || got.Next > 0.1 {
		t.Errorf("a poll that waits is answered %+v", got)
	}
	dan, r := s.try("room", ask(as("dan")))
	if r.status != http.StatusCreated || !r.closed {
		t.Errorf("a join meanwhile: %d, and its connection ends: %v", r.status, r.closed)
	}
	late := dan.link()
	late.expectClose(wire.Drain.Row().Close)
	link.expectClose(wire.Drain.Row().Close)
	s.must(<-drained)
	s.must(s.Shutdown(t.Context()))

	// What was sent meanwhile is there for the next server.
	next := serve(t, signaling.Config{Store: rooms})
	bob.service = next
	rest, err := bob.open("websocket", 1, false)
	s.must(err)
	for {
		select {
		case d := <-rest.frames:
			if d.Kind == wire.KindSignal {
				return
			}
		case <-time.After(patience):
			t.Fatal("the signal is lost")
		}
	}
}

// Who polls without waiting is known between two polls, too, and told.
func TestShutdownTellsWhoPolls(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("room")
	if r := s.call("GET", alice.path+"/frames", nil, "Authorization", "Bearer "+alice.Secret); r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	over := make(chan error, 1)
	began := time.Now()
	go func() { over <- s.Shutdown(t.Context()) }()
	for {
		r := s.call("GET", alice.path+"/frames?link=1", nil, "Authorization", "Bearer "+alice.Secret)
		if r.status == http.StatusOK && time.Since(began) < patience {
			continue // it has not begun
		}
		if e := r.refusal(); r.status != http.StatusGone || e.Code != wire.Rejoin || e.RetryAfter < 0.5 || e.RetryAfter > 1.5 {
			t.Errorf("told %d %s", r.status, r.body)
		}
		break
	}
	s.must(<-over)
}

func TestLinksThatAreTooYoungToBeOld(t *testing.T) {
	for _, age := range []time.Duration{-time.Second, time.Millisecond} {
		_, err := signaling.New(signaling.Config{Timing: signaling.Timing{MaxLinkAge: age}})
		if want := "Timing.MaxLinkAge is " + age.String() + "; it must be at least 1s, or 0 for none"; err == nil || err.Error() != want {
			t.Errorf("%v: got %v, want %q", age, err, want)
		}
	}
}
