package cluster

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/internal/redistest"
)

// resumeTime is within what the clients of a node that was killed have a link again, and what was sent to them meanwhile.
const resumeTime = 3 * time.Second

func testClientsOfAKilledNodeGoOnElsewhere(t *testing.T) {
	t.Parallel()
	c := start(t, redistest.Start(t).URL(), 2)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	for _, kind := range []client.Link{client.WebSocket, client.Events, client.LongPoll} {
		room := fmt.Sprint("room", int(kind))
		one, two := enter(t, room, "one", kind, c.only(c.nodes[0])), enter(t, room, "two", kind, c.only(c.nodes[1]))
		one.other, two.other = two, one
		await(t, "links", func() bool { return one.Link() == kind && two.Link() == kind })
		var sent int64
		var best time.Duration
		for range 3 { // a busy machine may be late once
			c.nodes[0].kill()
			began := time.Now()
			if err := two.send(ctx, sent+1, sent+10); err != nil {
				t.Fatal(err)
			}
			if err := one.send(ctx, sent+1, sent+10); err != nil {
				t.Fatal(err)
			}
			sent += 10
			await(t, "messages", func() bool {
				return one.problem.Load() != nil || two.problem.Load() != nil || one.got.Load() == sent && two.got.Load() == sent
			})
			took := time.Since(began)
			if best == 0 || took < best {
				best = took
			}
			c.nodes[0].start()
			if best <= resumeTime {
				break
			}
		}
		t.Logf("over %v: on after %v", kind, best.Round(time.Millisecond))
		if best > resumeTime {
			t.Errorf("over %v: on after %v, want at most %v", kind, best, resumeTime)
		}
		one.check(t, room, sent)
		two.check(t, room, sent)
	}
}

func testRedisIsGoneForFiveSeconds(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	c := start(t, redis.URL(), 2)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	type talk struct {
		room     string
		one, two *talker
		links    int64
	}
	var talks []talk
	for _, kind := range kinds[1:] {
		room := fmt.Sprint("room", int(kind))
		one, two := pair(t, room, kind, c.client())
		if err := one.send(ctx, 1, 5); err != nil {
			t.Fatal(err)
		}
		await(t, "messages", func() bool { return two.got.Load() == 5 })
		talks = append(talks, talk{room, one, two, one.links.Load() + two.links.Load()})
	}
	redis.Freeze()
	gone := time.Now()
	for i := range talks {
		k := talks[i]
		go func() { _ = k.one.send(ctx, 6, 20) }()
		go func() { _ = k.two.send(ctx, 1, 20) }()
	}
	for time.Since(gone) < 5*time.Second {
		for _, n := range c.nodes {
			if !n.ready() {
				t.Fatal("a node is not ready while Redis is gone")
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	redis.Thaw()
	for _, k := range talks {
		await(t, "messages in "+k.room, func() bool {
			return k.one.problem.Load() != nil || k.two.problem.Load() != nil || k.one.got.Load() == 20 && k.two.got.Load() == 20
		})
		k.one.check(t, k.room, 20)
		k.two.check(t, k.room, 20)
		streams := k.one.kind == client.WebSocket || k.one.kind == client.Events
		if changes := k.one.links.Load() + k.two.links.Load() - k.links; streams && changes > 0 {
			t.Errorf("in %s %v links changed %d times", k.room, k.one.kind, changes)
		}
	}
}

func testRedisStartsAgainEmpty(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	c := start(t, redis.URL(), 2)
	const count = 24
	var all []*talker
	for i := range count {
		all = append(all, enter(t, fmt.Sprint("room", i/2), fmt.Sprint("peer", i%2), client.WebSocket, c.client()))
	}
	for _, k := range all {
		await(t, "a link", func() bool { return k.Link() == client.WebSocket })
	}
	redis.Kill()
	redis.Start()
	began := time.Now()
	var when []time.Duration
	back := make(map[*talker]bool)
	await(t, "all joins", func() bool {
		for _, k := range all {
			if !back[k] && k.rejoined.Load() > 0 {
				back[k] = true
				when = append(when, time.Since(began))
			}
		}
		return len(back) == count
	})
	slices.Sort(when)
	t.Logf("they join again %v to %v after the start", when[0].Round(time.Millisecond), when[count-1].Round(time.Millisecond))
	if spread := when[count-1] - when[0]; spread < 300*time.Millisecond {
		t.Errorf("all join again within %v", spread)
	}
	for i := 0; i < count; i += 2 {
		one, two := all[i], all[i+1]
		await(t, "both in the room", func() bool { return len(one.Peers()) == 1 && len(two.Peers()) == 1 })
	}
}
