package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

var linkCases = []Case{
	{"a link finds where the last one was", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		f.send(bob, signal(1, alice, "1"))
		f.send(alice, signal(1, bob, "2"))
		a := f.attach(alice, 1)
		f.equal("received", a.Received, 1)
		f.equal("after", a.After, 1)
		f.equal("tail", a.Tail, 2)
		f.equal("roster", show(a.Peers), []string{"bob:here"})
		f.equal("peer", a.Peer, "alice")
		b := f.attach(alice, -1)
		f.equal("after, as acknowledged", b.After, 1)
		if b.Fence <= a.Fence {
			f.Errorf("fence %d does not rise from %d", b.Fence, a.Fence)
		}
	})},
	{"a link cannot ask for what is not there", with(func(f *fixture) {
		alice := f.linked("alice")
		f.join("bob")
		f.attach(alice, 1)
		_, err := f.Attach(context.Background(), alice.ref, store.Link{After: 2})
		f.is(err, store.ErrHistoryLost)
		f.equal("after, where more was acknowledged over the link before", f.attach(alice, 0).After, 1)
	})},
	{"a probe changes nothing", with(func(f *fixture) {
		alice := f.linked("alice")
		f.join("bob")
		a, err := f.Attach(context.Background(), alice.ref, store.Link{Probe: true, After: 0})
		f.is(err, nil)
		f.equal("tail", a.Tail, 1)
		result := f.exchange(alice, store.Exchange{Max: 1 << 20, Fence: alice.fence})
		f.equal("superseded", result.Superseded, false)
		f.equal("frames of the link in use", tell(result.Frames), []string{"1 joined bob"})
	})},
	{"a probe is confirmed by its number, and an older one is not", with(func(f *fixture) {
		ctx := context.Background()
		alice := f.linked("alice")
		f.join("bob")
		probe := func() store.Attached {
			a, err := f.Attach(ctx, alice.ref, store.Link{Probe: true, After: -1})
			f.is(err, nil)
			return a
		}
		first, second := probe(), probe()
		result := f.exchange(alice, store.Exchange{Max: 1 << 20, Fence: second.Fence, Renew: true})
		f.equal("before, it is a probe", result.Probing, true)
		f.equal("and reads nothing", len(result.Frames), 0)
		for range 2 { // again changes nothing
			a, err := f.Attach(ctx, alice.ref, store.Link{Use: second.Fence, After: 1})
			f.is(err, nil)
			f.equal("number", a.Fence, second.Fence)
		}
		result = f.exchange(alice, store.Exchange{After: 1, Max: 1 << 20, Fence: second.Fence})
		f.equal("after, it is the link in use", []any{result.Probing, result.Superseded, result.Acked}, []any{false, false, 1})
		f.equal("the one in use before is not any more", f.exchange(alice, store.Exchange{Fence: alice.fence}).Superseded, true)
		for _, number := range []int64{first.Fence, 99} {
			_, err := f.Attach(ctx, alice.ref, store.Link{Use: number, After: 1})
			f.is(err, store.ErrSuperseded)
		}
	})},
	{"a probe does not keep a session", with(func(f *fixture) {
		alice := f.join("alice")
		a, err := f.Attach(context.Background(), alice.ref, store.Link{Probe: true, After: -1})
		f.is(err, nil)
		time.Sleep(Rules.Unlinked - moment)
		f.exchange(alice, store.Exchange{Fence: a.Fence, Renew: true})
		time.Sleep(2 * moment)
		f.equal("roster", f.peers(), []string{})
	})},
	{"a link learns what was in use before it", with(func(f *fixture) {
		alice := f.join("alice")
		attach := func(l store.Link) store.Attached {
			a, err := f.Attach(context.Background(), alice.ref, l)
			f.is(err, nil)
			return a
		}
		poll := attach(store.Link{Kind: "poll", Polls: true, After: -1})
		f.equal("before the first", []any{poll.Took, poll.Before}, []any{true, ""})
		time.Sleep(moment)
		again := attach(store.Link{Kind: "poll", Polls: true, Goes: poll.Fence, After: -1})
		f.equal("the next turn takes over", again.Took, false)
		if again.Quiet < moment || again.Quiet > 10*moment {
			f.Errorf("quiet for %v, want %v since the poll before", again.Quiet, moment)
		}
		probe := attach(store.Link{Kind: "websocket", Probe: true, After: -1})
		f.equal("a probe takes over", probe.Took, false)
		used := attach(store.Link{Kind: "websocket", Use: probe.Fence, After: -1})
		f.equal("before it is used", []any{used.Took, used.Before}, []any{true, "poll"})
		f.equal("used again", attach(store.Link{Kind: "websocket", Use: probe.Fence, After: -1}).Took, false)
		f.equal("before another", attach(store.Link{Kind: "events", After: -1}).Before, "websocket")
	})},
	{"a session has an owner, an age and an end", with(func(f *fixture) {
		ctx := context.Background()
		req := f.request("attempt", "alice")
		req.Subject, req.Expires = "u1", Rules.Lease
		began := time.Now()
		alice, err := f.try(req)
		f.is(err, nil)
		alice.fence = f.attach(alice, -1).Fence
		time.Sleep(Rules.Lease / 4)
		owner, err := f.Owner(ctx, alice.ref)
		f.is(err, nil)
		near := func(what string, got, want time.Duration) {
			f.Helper()
			late := moment + time.Since(began) - Rules.Lease/4 // a busy machine may be
			if got < want-late || got > want+late {
				f.Errorf("%s is %v, want %v", what, got, want)
			}
		}
		f.equal("owner", []string{owner.Peer, owner.Subject}, []string{"alice", "u1"})
		near("age", owner.Age, Rules.Lease/4)
		near("end", owner.Expires, Rules.Lease-Rules.Lease/4)
		f.send(alice, store.Sent{N: 1, Kind: store.Refresh, Subject: "u1", Expires: time.Hour})
		a := f.attach(alice, -1)
		f.equal("owner, as a link finds it", []string{a.Peer, a.Subject}, []string{"alice", "u1"})
		near("age", a.Age, Rules.Lease/4)
		near("end after a refresh", a.Expires, time.Hour)
		f.send(alice, store.Sent{N: 2, Kind: store.Refresh, Subject: "u1"})
		owner, err = f.Owner(ctx, alice.ref)
		f.is(err, nil)
		f.equal("end after a refresh for ever", owner.Expires, time.Duration(0))
		stranger := alice.ref
		stranger.SecretHash = hash("another")
		_, err = f.Owner(ctx, stranger)
		f.is(err, store.ErrWrongSecret)
	})},
	{"polls take turns on one link", with(func(f *fixture) {
		ctx := context.Background()
		alice := f.join("alice")
		poll := func(goes int64) (store.Attached, error) {
			return f.Attach(ctx, alice.ref, store.Link{Polls: true, Goes: goes, After: -1})
		}
		first, err := poll(0)
		f.is(err, nil)
		probe, err := f.Attach(ctx, alice.ref, store.Link{Probe: true, After: -1})
		f.is(err, nil)
		second, err := poll(first.Fence)
		f.is(err, nil)
		f.equal("number", second.Fence, first.Fence)
		f.equal("the older poll", f.exchange(alice, store.Exchange{Fence: first.Fence, Turn: first.Turn, Max: 1}).Superseded, true)
		f.equal("the newer poll", f.exchange(alice, store.Exchange{Fence: second.Fence, Turn: second.Turn, Max: 1}).Superseded, false)
		_, err = f.Attach(ctx, alice.ref, store.Link{Use: probe.Fence, After: -1})
		f.is(err, nil)
		_, err = poll(first.Fence)
		f.is(err, store.ErrSuperseded)
		_, err = poll(probe.Fence)
		f.is(err, store.ErrSuperseded)
	})},
	{"who polls is gone so long after the last poll", with(func(f *fixture) {
		alice := f.join("alice")
		_, err := f.Attach(context.Background(), alice.ref, store.Link{Polls: true, After: -1})
		f.is(err, nil)
		time.Sleep(Rules.Polling - moment)
		f.equal("before", f.peers(), []string{"alice:away"})
		time.Sleep(2 * moment)
		f.equal("after", f.peers(), []string{})
	})},
	{"a post renews the lease of a linked session", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.join("bob")
		time.Sleep(Rules.Unlinked - moment)
		f.exchange(bob, store.Exchange{Renew: true})
		time.Sleep(Rules.Lease - Rules.Unlinked)
		result := f.exchange(alice, store.Exchange{Renew: true})
		if result.Quiet >= moment {
			f.Errorf("quiet for %v after a renewal", result.Quiet)
		}
		time.Sleep(Rules.Lease - moment)
		result = f.exchange(alice, store.Exchange{})
		if result.Quiet < Rules.Lease-moment {
			f.Errorf("quiet for %v, want %v since the renewal", result.Quiet, Rules.Lease-moment)
		}
		f.equal("roster, without who was never linked", f.peers(), []string{"alice:here"})
	})},
	{"an older link can send, but neither read nor renew", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		f.attach(alice, -1)
		result := f.exchange(alice, store.Exchange{
			Frames: []store.Sent{signal(1, bob, "1")}, Max: 1 << 20, Fence: alice.fence, Renew: true,
		})
		f.equal("superseded", result.Superseded, true)
		f.equal("frames", len(result.Frames), 0)
		f.exchange(alice, store.Exchange{Ack: 1})
		result = f.exchange(alice, store.Exchange{Max: 1 << 20, Fence: alice.fence})
		f.equal("superseded, though what it asks for is gone", result.Superseded, true)
		f.equal("received", result.Received, 1)
		f.equal("bob's", tell(f.read(bob, 0)), []string{"1 signal alice 1"})
	})},
	{"an older link's end does nothing", with(func(f *fixture) {
		alice := f.linked("alice")
		f.attach(alice, -1)
		_, err := f.Detach(context.Background(), alice.ref, alice.fence)
		f.is(err, nil)
		time.Sleep(Rules.Away + moment)
		f.equal("roster", f.peers(), []string{"alice:here"})
	})},
	{"whoever watches is woken", with(func(f *fixture) {
		ctx := context.Background()
		alice, bob := f.linked("alice"), f.linked("bob")
		var wakes atomic.Int64
		stop, err := f.Watch(ctx, room, bob.Session, func() { wakes.Add(1) })
		f.is(err, nil)
		expect := func(what string, do func()) {
			f.Helper()
			before := wakes.Load()
			do()
			for range 100 {
				if wakes.Load() > before {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			f.Errorf("%s wakes nobody", what)
		}
		expect("a signal", func() { f.send(alice, signal(1, bob, "1")) })
		expect("a broadcast", func() { f.send(alice, store.Sent{N: 2, Kind: store.Broadcast, Data: []byte("1")}) })
		expect("a frame of the server's", func() { _, _ = f.Post(ctx, room, "key", "bob", []byte("1")) })
		expect("a change", func() { f.send(alice, store.Sent{N: 3, Kind: store.Change, Meta: []byte("1")}) })
		expect("a join", func() { f.join("carol") })
		expect("a newer link", func() { bob.fence = f.attach(bob, -1).Fence })
		expect("an end", func() { _, _ = f.End(ctx, room, bob.Session, store.CodeKicked) })
		stop()
		before := wakes.Load()
		f.join("dave")
		time.Sleep(200 * time.Millisecond)
		f.equal("wakes after stop", wakes.Load(), before)
	})},
	{"what many send at once arrives once, in each sender's order", with(func(f *fixture) {
		const senders, frames = 3, 40
		bob := f.linked("bob")
		var from [senders]session
		for i := range from {
			from[i] = f.linked(fmt.Sprintf("sender%d", i))
		}
		var group sync.WaitGroup
		var over atomic.Bool
		defer group.Wait()
		defer over.Store(true)
		var acknowledged [senders]atomic.Int64
		for i, s := range from {
			group.Go(func() {
				for n := int64(1); n <= frames; n++ {
					for n > acknowledged[i].Load()+2 { // a mailbox has its limit
						if over.Load() {
							return
						}
						time.Sleep(time.Millisecond)
					}
					for range 2 { // the second time it is received already
						result := f.exchange(s, store.Exchange{Frames: []store.Sent{signal(n, bob, fmt.Sprint(n))}, Renew: true})
						f.equal("refused", result.Refused, []store.Refusal{})
					}
				}
			})
		}
		got := map[string]int64{}
		after, missing := int64(0), senders*frames
		for deadline := time.Now().Add(time.Minute); missing > 0; {
			result := f.exchange(bob, store.Exchange{Ack: after, After: after, Max: 1 << 20, Fence: bob.fence, Renew: true})
			for i, s := range from {
				acknowledged[i].Store(got[s.Peer])
			}
			for _, frame := range result.Frames {
				f.equal("number", frame.N, after+1)
				after = frame.N
				if frame.Kind != store.Signal {
					continue
				}
				got[frame.From]++
				missing--
				f.equal("from "+frame.From, string(frame.Data), got[frame.From])
			}
			if time.Now().After(deadline) {
				f.Fatalf("not all arrived: %v", got)
			}
			time.Sleep(time.Millisecond)
		}
	})},
}
