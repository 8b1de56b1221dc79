package storetest

import (
	"context"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

// moment is more than a step takes, also in a store that is asked over the network on a busy machine.
const moment = 600 * time.Millisecond

var presenceCases = []Case{
	{"a session that never had a link ends", with(func(f *fixture) {
		watcher, alice := f.linked("watcher"), f.join("alice")
		time.Sleep(Rules.Unlinked - moment)
		f.equal("before", f.peers(), []string{"watcher:here", "alice:here"})
		time.Sleep(2 * moment)
		f.equal("after", f.peers(), []string{"watcher:here"})
		f.ended(alice, store.CodeLost)
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice", "2 left alice lost"})
	})},
	{"a renewed lease keeps a session", with(func(f *fixture) {
		alice := f.linked("alice")
		for range 3 {
			time.Sleep(Rules.Lease - moment)
			f.renew(alice)
			f.equal("roster", f.peers(), []string{"alice:here"})
		}
	})},
	{"a lease that ends: away, then gone", with(func(f *fixture) {
		f.linked("alice")
		time.Sleep(Rules.Lease + moment)
		f.equal("after the lease", f.peers(), []string{"alice:away"})
		time.Sleep(Rules.Left)
		f.equal("later", f.peers(), []string{})
	})},
	{"a lost link: away, then gone", with(func(f *fixture) {
		watcher, alice := f.linked("watcher"), f.linked("alice")
		_, err := f.Detach(context.Background(), alice.ref, alice.fence)
		f.is(err, nil)
		f.equal("at once", f.peers(), []string{"watcher:here", "alice:here"})
		time.Sleep(Rules.Away + moment)
		f.equal("later", f.peers(), []string{"watcher:here", "alice:away"})
		time.Sleep(Rules.Left - Rules.Away)
		f.equal("at last", f.peers(), []string{"watcher:here"})
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice", "2 changed alice away", "3 left alice lost"})
	})},
	{"who comes back from away is here again", with(func(f *fixture) {
		watcher, alice := f.linked("watcher"), f.linked("alice")
		_, err := f.Detach(context.Background(), alice.ref, alice.fence)
		f.is(err, nil)
		time.Sleep(Rules.Away + moment)
		f.equal("away", f.peers(), []string{"watcher:here", "alice:away"})
		f.attach(alice, -1)
		f.equal("back", f.peers(), []string{"watcher:here", "alice:here"})
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice", "2 changed alice away", "3 changed alice here"})
	})},
	{"a renewal after the lease's end brings a session back", with(func(f *fixture) {
		alice := f.linked("alice")
		time.Sleep(Rules.Lease + moment)
		f.equal("away", f.peers(), []string{"alice:away"})
		f.renew(alice)
		f.equal("back", f.peers(), []string{"alice:here"})
	})},
	{"a soft leave is shown at once, and ends soon", with(func(f *fixture) {
		watcher, alice := f.linked("watcher"), f.linked("alice")
		_, _, err := f.Leave(context.Background(), alice.ref, true)
		f.is(err, nil)
		f.equal("at once", f.peers(), []string{"watcher:here", "alice:leaving"})
		f.renew(alice) // a link that has not noticed yet
		time.Sleep(Rules.Leaving + moment)
		f.equal("later", f.peers(), []string{"watcher:here"})
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice", "2 changed alice leaving", "3 left alice leave"})
		f.ended(alice, store.CodeLeft)
	})},
	{"a soft leave is taken back by a new link", with(func(f *fixture) {
		f.linked("watcher")
		alice := f.linked("alice")
		_, _, err := f.Leave(context.Background(), alice.ref, true)
		f.is(err, nil)
		f.attach(alice, -1)
		time.Sleep(Rules.Leaving + moment)
		f.equal("roster", f.peers(), []string{"watcher:here", "alice:here"})
	})},
	{"a soft leave is followed by a resume", with(func(f *fixture) {
		watcher, alice := f.linked("watcher"), f.linked("alice")
		_, _, err := f.Leave(context.Background(), alice.ref, true)
		f.is(err, nil)
		req := f.request("again", "")
		req.Resuming, req.Resume = true, alice.ref.SecretHash
		again, err := f.try(req)
		f.is(err, nil)
		again.fence = f.attach(again, -1).Fence
		_, _, err = f.Leave(context.Background(), alice.ref, true) // a beacon that was late
		if err == nil {
			f.Error("a late beacon of the old session was taken")
		}
		time.Sleep(Rules.Leaving + moment)
		f.equal("roster", f.peers(), []string{"watcher:here", "alice:here"})
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice", "2 changed alice leaving", "3 joined alice"})
	})},
	{"a leave at once is told at once", with(func(f *fixture) {
		watcher, alice := f.linked("watcher"), f.linked("alice")
		_, _, err := f.Leave(context.Background(), alice.ref, false)
		f.is(err, nil)
		f.equal("roster", f.peers(), []string{"watcher:here"})
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice", "2 left alice leave"})
	})},
	{"the server can end a session", with(func(f *fixture) {
		watcher, alice := f.linked("watcher"), f.linked("alice")
		_, err := f.End(context.Background(), room, alice.Session, store.CodeKicked)
		f.is(err, nil)
		f.ended(alice, store.CodeKicked)
		f.equal("what others are told", tell(f.read(watcher, 0)), []string{"1 joined alice", "2 left alice kicked"})
		_, err = f.End(context.Background(), room, alice.Session, store.CodeKicked)
		f.is(err, store.ErrNoSession)
	})},
	{"an end is remembered, and then forgotten", with(func(f *fixture) {
		watcher, alice := f.linked("watcher"), f.linked("alice")
		_, _, err := f.Leave(context.Background(), alice.ref, false)
		f.is(err, nil)
		time.Sleep(Rules.Tombstone / 2)
		f.renew(watcher)
		f.ended(alice, store.CodeLeft)
		time.Sleep(Rules.Tombstone/2 + moment)
		_, err = f.Exchange(context.Background(), alice.ref, store.Exchange{})
		f.is(err, store.ErrNoSession)
	})},
	{"a session ends when what it joined with expires, unless refreshed by the same user", with(func(f *fixture) {
		req := f.request("a", "alice")
		req.Subject, req.Expires = "u1", Rules.Lease/2
		alice, err := f.try(req)
		f.is(err, nil)
		f.attach(alice, -1)
		time.Sleep(Rules.Lease/2 - moment)
		result := f.exchange(alice, store.Exchange{Renew: true, Frames: []store.Sent{
			{N: 1, Kind: store.Refresh, Subject: "u2", Expires: time.Hour},
			{N: 2, Kind: store.Refresh, Subject: "u1", Expires: Rules.Lease / 2},
		}})
		f.equal("refused", result.Refused, []store.Refusal{{N: 1, Code: store.CodeForbidden}})
		time.Sleep(Rules.Lease/2 - moment)
		f.equal("refreshed", f.peers(), []string{"alice:here"})
		time.Sleep(2 * moment)
		f.equal("expired", f.peers(), []string{})
		f.ended(alice, store.CodeExpired)
	})},
	{"each step says when something is due", with(func(f *fixture) {
		alice := f.join("alice")
		if due := alice.Due; due <= 0 || due > Rules.Unlinked {
			f.Errorf("after a join it is %v, want up to %v", due, Rules.Unlinked)
		}
		attached := f.attach(alice, -1)
		if due := attached.Due; due <= 0 || due > Rules.Lease {
			f.Errorf("after a link it is %v, want up to %v", due, Rules.Lease)
		}
		due, err := f.Detach(context.Background(), alice.ref, attached.Fence)
		f.is(err, nil)
		for range 20 { // away, left, and the tombstone's end
			if due == 0 {
				break
			}
			time.Sleep(due)
			roster, err := f.Roster(context.Background(), room)
			f.is(err, nil)
			due = roster.Due
		}
		rooms, _, err := f.Rooms(context.Background(), "")
		f.is(err, nil)
		f.equal("rooms after all that was due", rooms, []string{})
	})},
}
