package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

// repeatCases are steps that are made again, because nobody knows what became of them, or that come late.
var repeatCases = []Case{
	{"a resume made again under its attempt returns the session that it made", with(func(f *fixture) {
		alice, watcher := f.linked("alice"), f.linked("watcher")
		req := f.request("again", "")
		req.Resuming, req.Resume = true, alice.ref.SecretHash
		first, err := f.try(req)
		f.is(err, nil)
		req.Session, req.Salt, req.SecretHash = "another", []byte("another"), hash("another")
		second, err := f.try(req)
		f.is(err, nil)
		f.equal("session", second.Session, first.Session)
		f.equal("resumed", second.Resumed, true)
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice"})
	})},
	{"a join made again tells the roster of now, also where the room is full and the session is in use", with(func(f *fixture) {
		f.join("alice")
		for _, peer := range []string{"b", "c", "d"} {
			f.join(peer)
		}
		again, err := f.try(f.request("attempt of alice", "alice"))
		f.is(err, nil)
		f.equal("roster", show(again.Peers), []string{"b:here", "c:here", "d:here"})
		f.equal("as of frame", again.At, 3)
	})},
	{"a frame that was refused is not refused again", with(func(f *fixture) {
		alice := f.linked("alice")
		lost := store.Sent{N: 1, Kind: store.Signal, To: "nobody", Data: []byte("1")}
		f.equal("refused", len(f.send(alice, lost).Refused), 1)
		f.equal("refused again", len(f.send(alice, lost).Refused), 0)
		f.equal("alice's", tell(f.read(alice, 0)), []string{"1 refused 1 nobody no_peer"})
	})},
	{"what follows a leave is not taken", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		_, err := f.Exchange(context.Background(), alice.ref, store.Exchange{Frames: []store.Sent{signal(1, bob, "1"), {N: 2, Kind: store.Leave}, signal(3, bob, "3")}})
		var ended *store.EndedError
		if !errors.As(err, &ended) || ended.Code != store.CodeLeft {
			f.Errorf("got %v, want an end as %s", err, store.CodeLeft)
		}
		f.equal("bob's", tell(f.read(bob, 0)), []string{"1 signal alice 1", "2 left alice leave"})
	})},
	{"an acknowledgement counts over any link, and never goes back", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		for n := range int64(4) {
			f.send(bob, signal(n+1, alice, fmt.Sprint(n+1)))
		}
		older := alice.fence
		alice.fence = f.attach(alice, -1).Fence
		f.equal("over an older link", f.exchange(alice, store.Exchange{Ack: 2, Fence: older}).Acked, 2)
		f.equal("over none", f.exchange(alice, store.Exchange{Ack: 3}).Acked, 3)
		f.equal("a late one", f.exchange(alice, store.Exchange{Ack: 1, Fence: alice.fence}).Acked, 3)
		f.equal("more than there is", f.exchange(alice, store.Exchange{Ack: 1 << 50, Fence: alice.fence}).Acked, 5)
		f.send(bob, signal(5, alice, "5"))
		f.equal("what came later", tell(f.read(alice, 5)), []string{"6 signal bob 5"})
	})},
	{"an older link does not renew", with(func(f *fixture) {
		alice := f.linked("alice")
		f.attach(alice, -1)
		time.Sleep(Rules.Lease - moment)
		f.exchange(alice, store.Exchange{Fence: alice.fence, Renew: true})
		time.Sleep(2 * moment)
		f.equal("roster", f.peers(), []string{"alice:away"})
	})},
	{"a probe's end does nothing", with(func(f *fixture) {
		alice := f.linked("alice")
		probe, err := f.Attach(context.Background(), alice.ref, store.Link{Probe: true, After: -1})
		f.is(err, nil)
		_, err = f.Detach(context.Background(), alice.ref, probe.Fence)
		f.is(err, nil)
		time.Sleep(Rules.Away + moment)
		f.equal("roster", f.peers(), []string{"alice:here"})
	})},
	{"all who watch a session are woken, by the confirmation of a probe too", with(func(f *fixture) {
		ctx := context.Background()
		alice, bob := f.linked("alice"), f.linked("bob")
		var first, second atomic.Int64
		for _, count := range []*atomic.Int64{&first, &second} {
			stop, err := f.Watch(ctx, room, bob.Session, func() { count.Add(1) })
			f.is(err, nil)
			defer stop()
		}
		woken := func(what string) {
			f.Helper()
			for range 100 {
				if first.Load() > 0 && second.Load() > 0 {
					first.Store(0)
					second.Store(0)
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			f.Errorf("%s: %d and %d wakes", what, first.Load(), second.Load())
		}
		f.send(alice, signal(1, bob, "1"))
		woken("a signal")
		probe, err := f.Attach(ctx, bob.ref, store.Link{Probe: true, After: -1})
		f.is(err, nil)
		time.Sleep(moment) // if the probe itself wakes somebody, that is allowed
		first.Store(0)
		second.Store(0)
		_, err = f.Attach(ctx, bob.ref, store.Link{Use: probe.Fence, After: 1})
		f.is(err, nil)
		woken("a confirmation")
	})},
	{"a key of the server's own frames counts for its time", with(func(f *fixture) {
		ctx := context.Background()
		bob := f.linked("bob")
		post := func() {
			f.Helper()
			_, err := f.Post(ctx, room, "key", "bob", []byte(`1`))
			f.is(err, nil)
			f.renew(bob)
		}
		post()
		time.Sleep(Rules.Tombstone / 2)
		post()
		f.equal("within its time", len(f.read(bob, 0)), 1)
		time.Sleep(Rules.Tombstone/2 + moment)
		post()
		f.equal("after it", len(f.read(bob, 0)), 2)
	})},
	{"a session that has ended cannot be resumed, and its peer id is free", with(func(f *fixture) {
		alice := f.join("alice")
		time.Sleep(Rules.Unlinked + moment)
		f.ended(alice, store.CodeLost)
		req := f.request("again", "alice")
		req.Resuming, req.Resume = true, alice.ref.SecretHash
		again, err := f.try(req)
		f.is(err, nil)
		f.equal("resumed", again.Resumed, false)
		f.equal("peer id", again.Peer, "alice")
		if again.Epoch <= alice.Epoch {
			f.Errorf("epoch %d does not rise from %d", again.Epoch, alice.Epoch)
		}
	})},
	{"how a session ended is told only to who has its secret", with(func(f *fixture) {
		alice := f.join("alice")
		peer, _, err := f.Leave(context.Background(), alice.ref, false)
		f.is(err, nil)
		f.equal("whose it was", peer, "alice")
		forged := alice.ref
		forged.SecretHash = hash("guess")
		_, err = f.Exchange(context.Background(), forged, store.Exchange{})
		f.is(err, store.ErrWrongSecret)
		f.ended(alice, store.CodeLeft)
	})},
	{"an end by the server is told to the others as kicked, unless it is lost or slow", with(func(f *fixture) {
		watcher := f.linked("watcher")
		var told []string
		for i, code := range []string{store.CodeExpired, store.CodeLost, store.CodeSlow} {
			s := f.linked(fmt.Sprint("p", i))
			_, err := f.End(context.Background(), room, s.Session, code)
			f.is(err, nil)
			f.ended(s, code)
		}
		for _, frame := range f.read(watcher, 0) {
			if frame.Kind == store.LeftRoom {
				told = append(told, frame.Reason)
			}
		}
		f.equal("reasons", told, []string{store.CodeKicked, store.CodeLost, store.CodeSlow})
	})},
	{"a session is idle since a frame came or went", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		time.Sleep(time.Second)
		if idle := f.exchange(bob, store.Exchange{}).Idle; idle < time.Second-moment {
			f.Errorf("idle for %v after a second of silence", idle)
		}
		f.send(alice, signal(1, bob, "1"))
		for name, s := range map[string]session{"the sender": alice, "the recipient": bob} {
			if idle := f.exchange(s, store.Exchange{}).Idle; idle >= time.Second-moment {
				f.Errorf("%s is idle for %v just after a frame", name, idle)
			}
		}
	})},
	{"rooms are listed each once, however many", with(func(f *fixture) {
		const count = 1100
		var want []string
		for i := range count {
			name := fmt.Sprintf("many-%04d", i)
			want = append(want, name)
			_, err := f.Join(context.Background(), name, f.request(name, "alice"))
			f.is(err, nil)
		}
		var got []string
		for cursor := ""; ; {
			rooms, next, err := f.Rooms(context.Background(), cursor)
			f.is(err, nil)
			got = append(got, rooms...)
			if next == "" || err != nil {
				break
			}
			cursor = next
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			f.Errorf("%d rooms are listed, want %d", len(got), count)
		}
	})},
}
