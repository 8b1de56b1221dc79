//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/dialect"
)

// group is clients that come, and then only answer the server.
type group struct {
	mu      sync.Mutex
	open    []io.Closer // guarded by mu
	failed  error       // guarded by mu
	closing bool        // guarded by mu
	work    sync.WaitGroup
}

// entering bounds how many are on their way in at a time: where a server has less than its core, so many more
// would come at once that what they leave behind would be most of what is measured.
const entering = 64

// arrive has clients first, first+1 … come at a steady pace, two in each room, and returns when count are in.
func (g *group) arrive(ctx context.Context, server *contender.Process, hold func(*group, dialect.Place), first, count, pace int) error {
	start := time.Now()
	var arriving sync.WaitGroup
	places := make(chan struct{}, entering)
	for i := range count {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(pace))))
		if ctx.Err() != nil || g.failure() != nil {
			break
		}
		places <- struct{}{}
		arriving.Go(func() {
			hold(g, place(server, first+i))
			<-places
		})
	}
	arriving.Wait()
	return cmp.Or(g.failure(), ctx.Err())
}

// place is where client i goes: there are two in each room.
func place(server *contender.Process, i int) dialect.Place {
	return dialect.Place{Address: server.Address, Room: fmt.Sprintf("room-%06d", i/2), Peer: fmt.Sprintf("peer-%06d", i), Buffer: 512}
}

func (g *group) enter(kind contender.Kind, at dialect.Place) {
	c, err := dialect.Connect(kind, at)
	if err != nil {
		g.fail(err)
		return
	}
	g.stay(c, func() error {
		for {
			if _, err := c.Next(); err != nil {
				return err
			}
		}
	})
}

// stay runs f, which ends with an error when c is closed.
func (g *group) stay(c io.Closer, f func() error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = append(g.open, c)
	g.work.Go(func() { g.fail(f()) })
}

// fail notes the first error before the end.
func (g *group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil && !g.closing {
		g.failed = err
	}
}

func (g *group) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

func (g *group) close() {
	g.mu.Lock()
	g.closing = true
	for _, c := range g.open {
		_ = c.Close()
	}
	g.mu.Unlock()
	g.work.Wait()
}
