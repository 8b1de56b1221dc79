package signaling

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

// silent is a carrier whose client is not there.
type silent struct{}

func (silent) Append(b []byte, _ int64, frame []byte) []byte { return append(b, frame...) }
func (silent) Try([]byte) ([]byte, error)                    { return nil, nil }
func (silent) Write([]byte) error                            { return nil }
func (silent) Close(int, string)                             {}
func (silent) Abort()                                        {}

// A heartbeat that was due already runs while its link closes: it is the last one.
func TestAClosedLinkHasNoHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		hash := [32]byte{1}
		joined, err := s.store.Join(t.Context(), "room", store.JoinRequest{Session: "session", SecretHash: hash, Spare: "peer", Rules: s.cfg.rules()})
		if err != nil {
			t.Fatal(err)
		}
		l, refusal := s.open(silent{}, terms{kind: kindEvents, ref: store.Ref{Room: "room", Session: joined.Session, SecretHash: hash}, after: -1})
		if refusal != nil {
			t.Fatal(refusal)
		}
		l.close()
		l.heartbeat() // which the clock had taken out before
		l.mu.Lock()
		before := len(l.queue)
		l.mu.Unlock()
		time.Sleep(10 * time.Minute)
		l.mu.Lock()
		defer l.mu.Unlock()
		if more := len(l.queue) - before; more > 0 {
			t.Errorf("%d signs of life wait for nobody", more)
		}
	})
}
