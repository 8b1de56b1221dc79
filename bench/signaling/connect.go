//go:build linux

package main

import (
	"context"
	"time"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/dialect"
)

const connectPace = 500 // connects a second

func (b *bench) connectScenario(ctx context.Context) {
	for range b.rounds {
		for _, kind := range b.servers {
			b.with(ctx, "connect", kind, 0, func(server *contender.Process) error { return b.connects(ctx, kind, server) })
		}
	}
}

// connects measures the CPU time of connects that come one by one.
func (b *bench) connects(ctx context.Context, kind contender.Kind, server *contender.Process) error {
	var g group
	defer g.close()
	if err := g.connect(ctx, kind, server, 0, b.sizes.connectWarm); err != nil {
		return err
	}
	if err := server.Quiet(ctx); err != nil {
		return err
	}
	before, err := server.CPU()
	if err != nil {
		return err
	}
	if err := g.connect(ctx, kind, server, b.sizes.connectWarm, b.sizes.connects); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond) // what the last ones leave to do
	after, err := server.CPU()
	if err != nil {
		return err
	}
	b.results.add("connect/CPU, µs", kind, float64((after-before).Microseconds())/float64(b.sizes.connects))
	return nil
}

// connect has WebSocket clients come, as [group.arrive] says.
func (g *group) connect(ctx context.Context, kind contender.Kind, server *contender.Process, first, count int) error {
	return g.arrive(ctx, server, func(g *group, at dialect.Place) { g.enter(kind, at) }, first, count, connectPace)
}
