package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

var joinCases = []Case{
	{"a join tells who is there, and the others who joined", with(func(f *fixture) {
		alice := f.linked("alice")
		f.equal("roster of the first", show(alice.Peers), []string{})
		bob := f.join("bob")
		f.equal("roster of the second", show(bob.Peers), []string{"alice:here"})
		f.equal("instance in the roster", bob.Peers[0].Instance, "instance-attempt of alice")
		f.equal("epoch in the roster", bob.Peers[0].Epoch, alice.Epoch)
		f.equal("what alice is told", tell(f.read(alice, 0)), []string{"1 joined bob"})
		if bob.Epoch <= alice.Epoch || bob.Epoch >= 1<<53 {
			f.Errorf("epochs are %d and %d, want them to rise and stay below 2^53", alice.Epoch, bob.Epoch)
		}
	})},
	{"a join without a wanted peer id gets the spare one", with(func(f *fixture) {
		req := f.request("a", "")
		s, err := f.try(req)
		f.is(err, nil)
		f.equal("peer id", s.Peer, req.Spare)
	})},
	{"the same attempt returns the same session", with(func(f *fixture) {
		watcher := f.linked("watcher")
		first := f.join("alice")
		req := f.request("attempt of alice", "alice")
		again, err := f.try(req)
		f.is(err, nil)
		f.equal("session", again.Session, first.Session)
		f.equal("salt", string(again.Salt), string(first.Salt))
		f.equal("epoch", again.Epoch, first.Epoch)
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice"})
	})},
	{"an attempt with another body is refused", with(func(f *fixture) {
		f.join("alice")
		_, err := f.try(f.request("attempt of alice", "other"))
		f.is(err, store.ErrAttemptReused)
	})},
	{"an attempt counts for its time only", with(func(f *fixture) {
		alice := f.linked("alice")
		time.Sleep(Rules.Lease - time.Second)
		f.renew(alice)
		time.Sleep(Rules.Attempt - Rules.Lease + 1500*time.Millisecond)
		f.renew(alice)
		_, err := f.try(f.request("attempt of alice", "alice"))
		f.is(err, store.ErrPeerTaken)
	})},
	{"an attempt whose session ended says so", with(func(f *fixture) {
		alice := f.join("alice")
		_, _, err := f.Leave(context.Background(), alice.ref, false)
		f.is(err, nil)
		_, err = f.try(f.request("attempt of alice", "alice"))
		var ended *store.EndedError
		if !errors.As(err, &ended) || ended.Code != store.CodeLeft {
			f.Errorf("got %v, want an end as %s", err, store.CodeLeft)
		}
	})},
	{"a peer id is one session's", with(func(f *fixture) {
		alice := f.join("alice")
		_, err := f.try(f.request("b", "alice"))
		f.is(err, store.ErrPeerTaken)
		f.equal("roster", f.peers(), []string{"alice:here"})
		_, _, err = f.Leave(context.Background(), alice.ref, false)
		f.is(err, nil)
		_, err = f.try(f.request("c", "alice"))
		f.is(err, nil)
	})},
	{"a room has so many peers and no more", with(func(f *fixture) {
		for _, peer := range []string{"a", "b", "c", "d"} {
			f.join(peer)
		}
		_, err := f.try(f.request("e", "e"))
		f.is(err, store.ErrRoomFull)
		f.equal("roster", len(f.peers()), 4)
	})},
	{"rooms are apart", with(func(f *fixture) {
		f.join("alice")
		joined, err := f.Join(context.Background(), "other", f.request("attempt of alice", "alice"))
		f.is(err, nil)
		f.equal("roster of the other room", show(joined.Peers), []string{})
	})},
	{"a resume takes the peer id over, under a new epoch", with(func(f *fixture) {
		watcher := f.linked("watcher")
		alice := f.linked("alice")
		f.send(watcher, signal(1, alice, `"lost with the old mailbox"`))
		req := f.request("again", "")
		req.Resuming, req.Resume = true, alice.ref.SecretHash
		again, err := f.try(req)
		f.is(err, nil)
		f.equal("resumed", again.Resumed, true)
		f.equal("peer id", again.Peer, "alice")
		f.equal("frame of the roster", again.At, 0)
		if again.Epoch <= alice.Epoch {
			f.Errorf("epoch %d does not rise from %d", again.Epoch, alice.Epoch)
		}
		f.ended(alice, store.CodeResumed)
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice", "2 joined alice"})
		result := f.send(watcher, signal(2, alice, `"for the old session"`))
		f.equal("a signal to the old epoch", result.Refused, []store.Refusal{{N: 2, To: "alice", Code: store.CodeStaleEpoch}})
		f.equal("new mailbox", tell(f.read(again, 0)), []string{})
	})},
	{"a resume also works in a full room", with(func(f *fixture) {
		for _, peer := range []string{"a", "b", "c"} {
			f.join(peer)
		}
		d := f.join("d")
		req := f.request("again", "")
		req.Resuming, req.Resume = true, d.ref.SecretHash
		_, err := f.try(req)
		f.is(err, nil)
	})},
	{"a resume whose reply was lost can be made again, until the new session is used", with(func(f *fixture) {
		alice := f.linked("alice")
		resume := func(attempt string) (session, error) {
			req := f.request(attempt, "")
			req.Resuming, req.Resume = true, alice.ref.SecretHash
			return f.try(req)
		}
		lost, err := resume("first")
		f.is(err, nil)
		kept, err := resume("second")
		f.is(err, nil)
		f.equal("peer id", kept.Peer, "alice")
		f.ended(lost, store.CodeResumed)
		kept.fence = f.attach(kept, -1).Fence
		_, err = resume("third")
		f.is(err, store.ErrResumeUsed)
	})},
	{"a resume of another user's, or of another peer id than is wanted, is passed over", with(func(f *fixture) {
		req := f.request("a", "alice")
		req.Subject = "u1"
		alice, err := f.try(req)
		f.is(err, nil)
		for _, c := range []struct{ subject, peer string }{{"u2", ""}, {"", ""}, {"u1", "other"}} {
			req := f.request("of "+c.subject+c.peer, c.peer)
			req.Subject, req.Resuming, req.Resume = c.subject, true, alice.ref.SecretHash
			s, err := f.try(req)
			f.is(err, nil)
			f.equal("resumed", s.Resumed, false)
			if s.Peer == "alice" {
				f.Errorf("%+v took alice over", c)
			}
		}
		f.equal("alice", f.peers()[0], "alice:here")
	})},
	{"an unknown resume is passed over", with(func(f *fixture) {
		req := f.request("a", "alice")
		req.Resuming, req.Resume = true, hash("of a server that is no more")
		s, err := f.try(req)
		f.is(err, nil)
		f.equal("resumed", s.Resumed, false)
		f.equal("peer id", s.Peer, "alice")
	})},
	{"a wrong secret opens nothing", with(func(f *fixture) {
		alice := f.linked("alice")
		forged := alice.ref
		forged.SecretHash = hash("guess")
		ctx := context.Background()
		_, err := f.Attach(ctx, forged, store.Link{After: -1})
		f.is(err, store.ErrWrongSecret)
		_, err = f.Exchange(ctx, forged, store.Exchange{Frames: []store.Sent{{N: 1, Kind: store.Leave}}})
		f.is(err, store.ErrWrongSecret)
		_, err = f.Detach(ctx, forged, alice.fence)
		f.is(err, store.ErrWrongSecret)
		_, _, err = f.Leave(ctx, forged, false)
		f.is(err, store.ErrWrongSecret)
		f.equal("roster", f.peers(), []string{"alice:here"})
	})},
	{"an unknown session is unknown", with(func(f *fixture) {
		ctx := context.Background()
		for _, in := range []string{room, "no such room"} {
			ref := store.Ref{Room: in, Session: "none"}
			f.linked("alice-" + in[:2])
			_, err := f.Attach(ctx, ref, store.Link{After: -1})
			f.is(err, store.ErrNoSession)
			_, err = f.Exchange(ctx, ref, store.Exchange{})
			f.is(err, store.ErrNoSession)
			_, _, err = f.Leave(ctx, ref, true)
			f.is(err, store.ErrNoSession)
			_, err = f.End(ctx, in, "none", store.CodeKicked)
			f.is(err, store.ErrNoSession)
			_, err = f.Watch(ctx, in, "none", func() {})
			f.is(err, store.ErrNoSession)
		}
	})},
	{"rooms are listed while they are there", with(func(f *fixture) {
		list := func() int {
			n := 0
			for cursor := ""; ; {
				rooms, next, err := f.Rooms(context.Background(), cursor)
				f.is(err, nil)
				for _, name := range rooms {
					if name == room {
						n++
					}
				}
				if next == "" {
					return n
				}
				cursor = next
			}
		}
		f.equal("before", list(), 0)
		f.join("alice")
		f.equal("during", list(), 1)
		time.Sleep(Rules.Unlinked + 100*time.Millisecond)
		f.equal("roster", f.peers(), []string{})
		time.Sleep(Rules.Tombstone + 100*time.Millisecond)
		f.equal("roster", f.peers(), []string{})
		f.equal("after", list(), 0)
	})},
}
