package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

// mailboxCases are what does not fit, and what the room's rules let in.
var mailboxCases = []Case{
	{"a broadcast is refused for those who have no place for it, and reaches the others", with(func(f *fixture) {
		alice, bob, carol := f.linked("alice"), f.linked("bob"), f.linked("carol")
		share := int64(Rules.MailboxFrames / 4)
		for n := range share {
			f.equal("refused", f.send(alice, signal(n+1, bob, "1")).Refused, []store.Refusal{})
		}
		result := f.send(alice, store.Sent{N: share + 1, Kind: store.Broadcast, Data: []byte(`"all"`)})
		f.equal("refused", result.Refused, []store.Refusal{{N: share + 1, To: "bob", Code: store.CodeBusy}})
		f.equal("carol's", tell(f.read(carol, 0)), []string{`1 signal alice "all"`})
	})},
	{"one frame of a sender always has a place, up to three quarters of a mailbox", with(func(f *fixture) {
		alice, bob, carol := f.linked("alice"), f.linked("bob"), f.linked("carol")
		half := `"` + strings.Repeat("x", Rules.MailboxBytes/2) + `"`
		f.equal("over a quarter", f.send(alice, signal(1, bob, half)).Refused, []store.Refusal{})
		f.equal("a second one", f.send(alice, signal(2, bob, "1")).Refused, []store.Refusal{{N: 2, To: "bob", Code: store.CodeBusy}})
		f.equal("another sender's, over three quarters", f.send(carol, signal(1, bob, half)).Refused, []store.Refusal{{N: 1, To: "bob", Code: store.CodeBusy}})
		f.equal("a small one", f.send(carol, signal(2, bob, "1")).Refused, []store.Refusal{})
	})},
	{"the server's own frame has no place either where a peer's has none", with(func(f *fixture) {
		ctx := context.Background()
		bob := f.linked("bob")
		var err error
		posted := 0
		for err == nil && posted < 2*Rules.MailboxFrames {
			_, err = f.Post(ctx, room, string(rune('a'+posted)), "bob", []byte("1"))
			posted++
		}
		f.is(err, store.ErrBusy)
		tail := f.exchange(bob, store.Exchange{}).Tail
		f.exchange(bob, store.Exchange{Ack: tail})
		_, err = f.Post(ctx, room, string(rune('a'+posted-1)), "bob", []byte(`"again"`))
		f.is(err, nil) // the key of what was refused is not used up
		f.equal("bob's", len(f.read(bob, tail)), 1)
	})},
	{"the server's own frame needs somebody", with(func(f *fixture) {
		alice := f.join("alice")
		_, _, err := f.Leave(context.Background(), alice.ref, false)
		f.is(err, nil)
		_, err = f.Post(context.Background(), room, "key", "", []byte("1"))
		f.is(err, store.ErrNoPeer)
	})},
	{"who has ended leaves a place in the room", with(func(f *fixture) {
		for _, peer := range []string{"a", "b", "c"} {
			f.join(peer)
		}
		d := f.join("d")
		_, err := f.try(f.request("e", "e"))
		f.is(err, store.ErrRoomFull)
		_, _, err = f.Leave(context.Background(), d.ref, false)
		f.is(err, nil)
		_, err = f.try(f.request("e", "e")) // a join that was refused may be made again
		f.is(err, nil)
	})},
	{"the rules are those of the latest join", with(func(f *fixture) {
		for _, peer := range []string{"a", "b", "c", "d"} {
			f.join(peer)
		}
		req := f.request("e", "e")
		req.Rules.Peers, req.Rules.MailboxFrames = 5, 8
		e, err := f.try(req)
		f.is(err, nil)
		d := session{}
		for n := range int64(3) {
			d.Peer = "d"
			result := f.send(e, signal(n+1, d, "1"))
			f.equal("refused", len(result.Refused), map[bool]int{true: 1, false: 0}[n == 2])
		}
	})},
	{"who leaves softly and comes back again and again takes no place that is another's", with(func(f *fixture) {
		bob, alice := f.linked("bob"), f.linked("alice")
		for range 2 * Rules.MailboxFrames {
			_, _, err := f.Leave(context.Background(), alice.ref, true)
			f.is(err, nil)
			f.attach(alice, -1)
		}
		frames := f.read(bob, 0) // who would have been ended as slow
		if len(frames) > Rules.MailboxFrames/2 {
			f.Errorf("%d frames are in a mailbox for %d", len(frames), Rules.MailboxFrames)
		}
		f.equal("bob's last", tell(frames[len(frames)-1:]), []string{fmt.Sprintf("%d changed alice here", len(frames))})
		f.exchange(bob, store.Exchange{Ack: int64(len(frames))})
		_, _, err := f.Leave(context.Background(), alice.ref, true)
		f.is(err, nil)
		f.equal("when there is a place", tell(f.read(bob, int64(len(frames)))), []string{fmt.Sprintf("%d changed alice leaving", len(frames)+1)})
	})},
	{"who leaves softly where nobody can be told has left all the same", with(func(f *fixture) {
		bob, alice := f.linked("bob"), f.linked("alice")
		for n := range int64(Rules.MailboxFrames / 4) {
			f.send(alice, signal(n+1, bob, "1"))
		}
		_, _, err := f.Leave(context.Background(), alice.ref, true)
		f.is(err, nil)
		time.Sleep(Rules.Leaving + time.Second)
		f.peers()
		frames := f.read(bob, 0)
		f.equal("bob's last", tell(frames[len(frames)-1:]), []string{fmt.Sprintf("%d left alice leave", len(frames))})
	})},
	{"a room that nobody ever joined has an empty roster, and does not come to be", with(func(f *fixture) {
		roster, err := f.Roster(context.Background(), "nobody's")
		f.is(err, nil)
		f.equal("roster", show(roster.Peers), []string{})
		f.equal("due", roster.Due, store.Due(0))
		rooms, _, err := f.Rooms(context.Background(), "")
		f.is(err, nil)
		if slices.Contains(rooms, "nobody's") {
			f.Error("the room is listed")
		}
	})},
	{"what is shown of a peer is what it joined with", with(func(f *fixture) {
		watcher := f.linked("watcher")
		req := f.request("a", "alice")
		req.Meta = []byte(`{"colour":"red"}`)
		alice, err := f.try(req)
		f.is(err, nil)
		frames := f.read(watcher, 0)
		want := store.Peer{ID: "alice", Session: alice.Session, Epoch: alice.Epoch, Instance: req.Instance, Name: req.Name, Meta: req.Meta, Presence: store.Here}
		seen := *frames[0].Peer
		seen.Session = alice.Session // which a frame need not have
		f.equal("in the frame", seen, want)
		f.equal("in the roster", f.attach(watcher, -1).Peers[0], want)
	})},
}
