package signaling_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

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
