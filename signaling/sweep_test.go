package signaling_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

func TestARoomIsForgottenSoonAfterTheLastOneLeft(t *testing.T) {
	over(t, signaling.Config{Timing: signaling.Timing{Tombstone: 50 * time.Millisecond}}, func(s *service, kind string) {
		alice := s.join("room", as("alice")).linked(kind, -1)
		if kind == "websocket" {
			s.must(alice.say(`{"kind":"leave","n":1}`))
		} else if _, err := alice.post(wire.Post{First: 1, Frames: []json.RawMessage{[]byte(`{"kind":"leave"}`)}}); err == nil {
			s.Error("a leave is answered as if the session went on")
		}
		if code := alice.ends(); code != wire.Left {
			s.Errorf("the link ends as %q, want left", code)
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			rooms, _, err := s.Rooms(t.Context(), "")
			s.must(err)
			if len(rooms) == 0 {
				return
			}
			if time.Now().After(deadline) {
				s.Fatalf("the rooms are %v, though nobody is there", rooms)
			}
		}
	})
}
