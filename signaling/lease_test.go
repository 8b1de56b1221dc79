package signaling_test

import (
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

// A client that answers each ping at once is never shown as away: the answer is heard just
// after one ping, and so nearly a whole heartbeat before the next.
func TestWhoAnswersEveryPingIsNeverAway(t *testing.T) {
	timing := signaling.Timing{Heartbeat: 200 * time.Millisecond, Lease: 700 * time.Millisecond, Left: 10 * time.Second}
	s := serve(t, signaling.Config{Timing: timing})
	watcher := s.join("room", as("watcher")).linked("websocket", -1)
	alice := s.join("room", as("alice")).linked("websocket", -1)
	watcher.next()
	time.Sleep(12 * timing.Heartbeat)
	s.must(alice.send(1, to(watcher.peer, `"still here"`)))
	if f := watcher.next(); f.Kind != wire.KindSignal {
		t.Errorf("got %+v, want alice's signal only", f)
	}
}
