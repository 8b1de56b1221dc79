package signaling_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

func TestOperatorsSeeAndSendAndDisconnect(t *testing.T) {
	s := serve(t, signaling.Config{})
	ctx := t.Context()
	alice := s.join("room", as("alice"), func(r *wire.JoinRequest) { r.Name = "Alice" }).linked("events", -1)
	bob := s.join("room", as("bob")).linked("websocket", -1)
	alice.next()
	peers, err := s.Peers(ctx, "room")
	s.must(err)
	if len(peers) != 2 || peers[0].ID != "alice" || peers[0].Name != "Alice" || peers[1].ID != "bob" || peers[1].Presence != "here" {
		t.Errorf("peers are %+v", peers)
	}
	rooms, next, err := s.Rooms(ctx, "")
	if err != nil || len(rooms) != 1 || rooms[0] != "room" || next != "" {
		t.Errorf("rooms are %v, %q, %v", rooms, next, err)
	}
	s.must(s.Send(ctx, "room", "alice", json.RawMessage("{\n\"to\":\"one\"}")))
	s.must(s.Send(ctx, "room", "", json.RawMessage(`"to all"`)))
	for _, want := range []string{`{"to":"one"}`, `"to all"`} {
		if f := alice.next(); string(f.Data) != want || f.From != "" {
			t.Errorf("alice got %+v, want %s", f, want)
		}
	}
	if f := bob.next(); string(f.Data) != `"to all"` || !f.Broadcast {
		t.Errorf("bob got %+v", f)
	}
	for _, err := range []error{
		s.Send(ctx, "room", "nobody", json.RawMessage("1")), s.Send(ctx, "empty", "", json.RawMessage("1")),
		s.Disconnect(ctx, "room", "nobody"), s.Disconnect(ctx, "empty", "alice"),
	} {
		if !errors.Is(err, signaling.ErrNoPeer) {
			t.Errorf("got %v, want %v", err, signaling.ErrNoPeer)
		}
	}
	if err := s.Send(ctx, "room", "alice", json.RawMessage("nonsense")); err == nil {
		t.Error("what is not JSON was sent")
	}
	s.must(s.Disconnect(ctx, "room", "alice"))
	if code := alice.ends(); code != wire.Kicked {
		t.Errorf("alice's link ends as %q, want kicked", code)
	}
	if f := bob.next(); f.Kind != wire.KindLeft || f.Reason != "kicked" {
		t.Errorf("bob got %+v", f)
	}
}
