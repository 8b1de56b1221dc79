//go:build linux

package main

import (
	"context"
	"sync"
	"time"

	"github.com/parley-rtc/parley/bench/internal/dialect"
)

const (
	stepPace = 400 // joins, or links, a second
	entering = 32  // at once
)

// steps measures joins, links and heartbeats one by one.
func (b *bench) steps(ctx context.Context) {
	where := []setup{inMemory, oneNode}
	b.each(ctx, "joins", where, 0, func(s *site, in setup) error { return b.joins(ctx, s, in) })
	b.each(ctx, "heartbeats", where, b.sizes.beat, func(s *site, in setup) error { return b.beats(ctx, s, in) })
}

// cost enters what each of so many things cost.
func (b *bench) cost(what string, in setup, count int, c spent) {
	n := float64(count)
	b.book.add("steps/"+what+", node CPU, µs", in, float64(c.nodes.Nanoseconds())/1e3/n)
	if in != inMemory {
		b.book.add("steps/"+what+", Redis CPU, µs", in, float64(c.redis.Nanoseconds())/1e3/n)
		b.book.add("steps/"+what+", commands to Redis", in, float64(c.asked)/n)
	}
}

// measured runs f, and returns what was spent on it.
func (s *site) measured(f func() error) (spent, error) {
	before, err := s.read()
	if err != nil {
		return spent{}, err
	}
	if err := f(); err != nil {
		return spent{}, err
	}
	time.Sleep(100 * time.Millisecond) // what the last ones leave to do
	after, err := s.read()
	return after.since(before), err
}

// joins measures joins, and then the WebSockets of those who joined, and then that they leave.
func (b *bench) joins(ctx context.Context, s *site, in setup) error {
	const warm = 100
	sessions := make([]dialect.Session, warm+b.sizes.joins)
	links := make([]*dialect.ParleyClient, len(sessions))
	defer func() {
		for _, c := range links {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	join := func(i int) (err error) { sessions[i], err = dialect.Join(s.place(i)); return err }
	link := func(i int) (err error) { links[i], err = sessions[i].WebSocket(512); return err }
	leave := func(i int) error { return links[i].Leave() }
	for _, part := range []struct {
		name string
		do   func(int) error
	}{{"a join", join}, {"its WebSocket", link}, {"to leave", leave}} {
		if err := paceOut(ctx, 0, warm, part.do); err != nil {
			return err
		}
		c, err := s.measured(func() error { return paceOut(ctx, warm, b.sizes.joins, part.do) })
		if err != nil {
			return err
		}
		b.cost(part.name, in, b.sizes.joins, c)
	}
	return nil
}

// paceOut does something for first, first+1 …, so many, at a steady pace, and returns when all are done.
func paceOut(ctx context.Context, first, count int, do func(int) error) error {
	var mu sync.Mutex
	var failed error
	var group sync.WaitGroup
	places := make(chan struct{}, entering)
	start := time.Now()
	for i := range count {
		if err := sleep(ctx, time.Until(start.Add(time.Duration(i)*time.Second/stepPace))); err != nil {
			return err
		}
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			if err := do(first + i); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
			}
		})
	}
	group.Wait()
	return failed
}

// beats measures the server's pings, which renew the leases of sessions.
func (b *bench) beats(ctx context.Context, s *site, in setup) error {
	var links []*dialect.ParleyClient
	var mu sync.Mutex
	var readers sync.WaitGroup
	beats := make([]int, b.sizes.links)
	defer func() {
		for _, c := range links {
			_ = c.Close()
		}
		readers.Wait()
	}()
	for i := range b.sizes.links {
		session, err := dialect.Join(s.place(i))
		if err != nil {
			return err
		}
		c, err := session.WebSocket(512)
		if err != nil {
			return err
		}
		links = append(links, c)
		readers.Go(func() {
			for c.Pinged() == nil { // until it is closed
				mu.Lock()
				beats[i]++
				mu.Unlock()
			}
		})
	}
	counted := func() (sum int) {
		mu.Lock()
		defer mu.Unlock()
		for _, n := range beats {
			sum += n
		}
		return sum
	}
	if err := sleep(ctx, 2*b.sizes.beat); err != nil {
		return err
	}
	before, err := s.read()
	if err != nil {
		return err
	}
	count := counted()
	if err := sleep(ctx, b.window); err != nil {
		return err
	}
	after, err := s.read()
	if err != nil {
		return err
	}
	b.cost("a heartbeat", in, max(counted()-count, 1), after.since(before))
	return nil
}
