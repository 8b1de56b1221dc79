//go:build linux

package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/dialect"
)

// pingEvery makes 1,000 exchanges a second with the full number of clients.
const pingEvery = 500 * time.Millisecond

func (b *bench) pingScenario(ctx context.Context) {
	for _, kind := range b.servers {
		if kind != contender.Parley {
			continue
		}
		for range b.rounds {
			b.with(ctx, "pings of clients", kind, 0, func(server *contender.Process) error {
				return b.pings(ctx, server, "client's ping", clientPings)
			})
			b.with(ctx, "pings of the server", kind, pingEvery, func(server *contender.Process) error {
				return b.pings(ctx, server, "server's ping", (*dialect.ParleyClient).Pinged)
			})
		}
	}
}

// clientPings waits for its time, pings, and waits for the answer.
func clientPings(c *dialect.ParleyClient) error {
	time.Sleep(pingEvery)
	if err := c.Ping(); err != nil {
		return err
	}
	return c.Pong()
}

// pings measures the CPU time of exchanges, one of which each call of exchange makes.
func (b *bench) pings(ctx context.Context, server *contender.Process, what string, exchange func(*dialect.ParleyClient) error) error {
	var exchanges atomic.Int64
	hold := func(g *group, at dialect.Place) {
		c, err := dialect.Connect(contender.Parley, at)
		if err != nil {
			g.fail(err)
			return
		}
		g.stay(c, func() error {
			for {
				if err := exchange(c.(*dialect.ParleyClient)); err != nil {
					return err
				}
				exchanges.Add(1)
			}
		})
	}
	var g group
	defer g.close()
	if err := g.arrive(ctx, server, hold, 0, b.sizes.pingClients, connectPace); err != nil {
		return err
	}
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	before, err := server.CPU()
	if err != nil {
		return err
	}
	counted := exchanges.Load()
	if err := sleep(ctx, b.sizes.pingWindow); err != nil {
		return err
	}
	after, err := server.CPU()
	if err != nil {
		return err
	}
	counted = exchanges.Load() - counted
	b.results.add("ping/"+what+", CPU, µs", contender.Parley, float64((after-before).Nanoseconds())/1e3/float64(max(counted, 1)))
	return g.failure()
}

// sleep waits, or returns why not.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
