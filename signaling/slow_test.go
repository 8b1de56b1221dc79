package signaling

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/memory"
	"github.com/parley-rtc/parley/signaling/store"
)

// What a client acknowledges may be behind much that it has sent, and so is its answer to a ping.
func TestWhoseAcknowledgementMayBeOnItsWayIsNotSlow(t *testing.T) {
	for name, c := range map[string]struct {
		pongs      bool
		acks       time.Duration // 0: never
		from, upTo time.Duration // when it ends; 0: not
	}{
		"who answers pings has read what came before them":      {pongs: true, from: 30 * time.Second, upTo: 80 * time.Second},
		"who sends for long, and answers late, acknowledges":    {acks: 110 * time.Second},
		"who only sends is not waited for without end":          {from: 120 * time.Second, upTo: 160 * time.Second},
		"who answers pings and acknowledges lives":              {pongs: true, acks: 20 * time.Second},
		"who acknowledged late once has as much time once more": {acks: 100 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				crowd := newCrowd(t, Config{Store: memory.New()})
				defer crowd.s.Close()
				crowd.join(1, true)
				var l *link
				for l = range crowd.s.links {
				}
				_, err := crowd.s.store.Join(t.Context(), l.ref.Room, store.JoinRequest{Session: "other", SecretHash: [32]byte{2}, Attempt: [32]byte{2}, Spare: "other", Rules: crowd.s.cfg.rules()})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				for n := 1; time.Since(began) < 200*time.Second; n++ {
					time.Sleep(10 * time.Second)
					synctest.Wait()
					crowd.mu.Lock()
					ended := len(crowd.times) > 0
					crowd.mu.Unlock()
					if ended {
						break
					}
					r := reader{l}
					r.Message(fmt.Appendf(nil, `{"kind":"change","n":%d,"name":"%d"}`, n, n))
					r.Settle()
					if c.pongs {
						l.debt.pongs.Add(1) // as by a message, whose cost the bubble's clock, years behind the process's start, cannot account for
					}
					if at := time.Duration(n) * 10 * time.Second; c.acks > 0 && at%c.acks == 0 {
						r.Message(fmt.Appendf(nil, `{"kind":"ack","n":%d}`, l.sent.Load()))
					}
				}
				switch {
				case c.upTo == 0 && len(crowd.times) > 0:
					t.Errorf("it ended after %v: %+v", crowd.times[0].Sub(began), crowd.frames)
				case c.upTo == 0:
				case len(crowd.times) == 0:
					t.Error("it did not end")
				case crowd.frames[0].Code != wire.Slow:
					t.Errorf("it ended as %s, want slow", crowd.frames[0].Code)
				default:
					if at := crowd.times[0].Sub(began); at < c.from || at > c.upTo {
						t.Errorf("it ended after %v, want %v to %v", at, c.from, c.upTo)
					}
				}
			})
		})
	}
}
