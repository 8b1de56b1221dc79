//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/dialect"
	"github.com/parley-rtc/parley/bench/internal/serve"
)

const idlePace = 1500 // connections a second

// holder is a way to be idle on a server.
type holder struct {
	name string // as the results call it
	kind contender.Kind
	hold func(g *group, at dialect.Place) // joins, and stays until g is closed
}

func holders(servers []contender.Kind) []holder {
	var all []holder
	for _, kind := range servers {
		all = append(all, holder{"WebSocket", kind, func(g *group, at dialect.Place) { g.enter(kind, at) }})
	}
	if slices.Contains(servers, contender.Parley) {
		all = append(all,
			holder{"events", contender.Parley, (*group).streamEvents},
			holder{"parked poll", contender.Parley, (*group).parkPolls},
			holder{"between polls", contender.Parley, (*group).pollOnce},
		)
	}
	return all
}

func (b *bench) idleScenario(ctx context.Context) {
	for _, h := range holders(b.servers) {
		b.with(ctx, "idle, "+h.name+",", h.kind, 0, func(server *contender.Process) error { return b.idles(ctx, h, server) })
		if b.profile != "" && h.kind == contender.Parley {
			b.profileIdle(ctx, h)
		}
	}
}

// memory is what a server holds, in bytes.
type memory struct {
	settled   int64 // PSS some time after the last connect
	collected int64 // PSS after a collection
	live      serve.Live
}

func memoryOf(ctx context.Context, server *contender.Process) (m memory, err error) {
	if err = server.Quiet(ctx); err != nil {
		return m, err
	}
	if m.settled, err = server.PSS(); err != nil {
		return m, err
	}
	if m.live, err = server.Collect(ctx); err != nil {
		return m, err
	}
	m.collected, err = server.PSS()
	return m, err
}

// idles measures the memory per connection, over what the server had before.
func (b *bench) idles(ctx context.Context, h holder, server *contender.Process) error {
	base, err := memoryOf(ctx, server)
	if err != nil {
		return err
	}
	var g group
	defer g.close()
	have := 0
	for _, n := range b.idle {
		if err := g.arrive(ctx, server, h.hold, have, n-have, idlePace); err != nil {
			return err
		}
		have = n
		now, err := memoryOf(ctx, server)
		if err != nil {
			return err
		}
		add := func(what string, bytes int64) {
			b.results.add(fmt.Sprintf("idle/%s, %d, %s, KB", h.name, n, what), h.kind, float64(bytes)/float64(n)/1024)
		}
		add("PSS", now.settled-base.settled)
		add("PSS collected", now.collected-base.collected)
		if h.kind.Go() {
			heap, stacks := now.live.Heap-base.live.Heap, now.live.Stacks-base.live.Stacks
			add("live", heap+stacks)
			add("of it stacks", stacks)
		}
	}
	return nil
}

// profileIdle saves what Parley's heap holds with all that idle. Noting it takes memory itself, so these
// servers are others than those that are measured.
func (b *bench) profileIdle(ctx context.Context, h holder) {
	field := b.field
	field.Profiled = true
	b.withIn(ctx, field, "profile of the idle", h.kind, 0, func(server *contender.Process) error {
		var g group
		defer g.close()
		if err := g.arrive(ctx, server, h.hold, 0, b.idle[len(b.idle)-1], idlePace); err != nil {
			return err
		}
		return server.Profile(ctx, "heap?gc=1", filepath.Join(b.profile, "idle-"+strings.ReplaceAll(h.name, " ", "-")+".pprof"))
	})
}
