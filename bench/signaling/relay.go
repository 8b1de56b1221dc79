//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/dialect"
	"github.com/parley-rtc/parley/bench/internal/flow"
)

const (
	pairFlight = 8    // messages on their way each way of a pair, in a closed loop
	candidate  = 200  // bytes of data: an ICE candidate
	offer      = 2000 // bytes of data: an offer
	roomFlight = 2    // broadcasts on their way of each peer, in a closed loop
	roomSize   = 200  // bytes of data

	saturated    = "saturated"
	atRivals     = "at the best rival's load"
	atHalfRivals = "at half of it"
)

// connecter connects the clients of a flow.
type connecter func(contender.Kind, *contender.Process) (*flow.Flow, error)

func (b *bench) pairScenario(ctx context.Context) {
	connect := func(size int) connecter {
		return func(kind contender.Kind, server *contender.Process) (*flow.Flow, error) {
			return pairFlow(kind, server, b.sizes.pairs, size)
		}
	}
	for _, size := range []int{candidate, offer} {
		b.relay(ctx, fmt.Sprintf("pair/%d bytes", size), pairFlight, 1, connect(size))
	}
	if b.profile != "" && slices.Contains(b.servers, contender.Parley) {
		b.with(ctx, "profile of the pair relay", contender.Parley, 0, func(server *contender.Process) error {
			return b.profilePair(ctx, server, connect(candidate))
		})
	}
}

func (b *bench) roomScenario(ctx context.Context) {
	connect := func(kind contender.Kind, server *contender.Process) (*flow.Flow, error) {
		return roomFlow(kind, server, b.sizes.peers)
	}
	b.relay(ctx, fmt.Sprintf("room/%d peers", b.sizes.peers), roomFlight, b.sizes.peers-1, connect)
}

// relay measures a kind of flow: first as much of it as each server can take, then as much as the best rival can take,
// and half of that. Each message is delivered to so many.
func (b *bench) relay(ctx context.Context, name string, inFlight, deliveries int, connect connecter) {
	l := flow.Load{InFlight: inFlight, Warm: b.sizes.flowWarm, Window: b.window}
	b.eachRound(ctx, name+", "+saturated, connect, l)
	_, most, ok := b.results.best(name+", "+saturated+", frames/s", true)
	if !ok {
		return // no rival to measure against
	}
	l.InFlight = 0
	l.Pace = most / 2 / float64(deliveries)
	b.eachRound(ctx, name+", "+atHalfRivals, connect, l)
	l.Pace = most / float64(deliveries)
	b.eachRound(ctx, name+", "+atRivals, connect, l)
}

// profilePair saves what the CPU does in a saturated relay.
func (b *bench) profilePair(ctx context.Context, server *contender.Process, connect connecter) error {
	const seconds = 5
	f, err := connect(contender.Parley, server)
	if err != nil {
		return err
	}
	profiled := make(chan error, 1)
	go func() {
		profiled <- server.Profile(ctx, fmt.Sprintf("profile?seconds=%d", seconds), filepath.Join(b.profile, "pair-cpu.pprof"))
	}()
	_, err = f.Run(ctx, flow.Load{InFlight: pairFlight, Warm: time.Second, Window: seconds * time.Second}, server)
	return errors.Join(err, <-profiled)
}

// eachRound measures every server that relays, one after the other, as often as there are rounds.
func (b *bench) eachRound(ctx context.Context, name string, connect connecter, l flow.Load) {
	for range b.rounds {
		for _, kind := range b.relays() {
			b.with(ctx, name, kind, 0, func(server *contender.Process) error {
				f, err := connect(kind, server)
				if err != nil {
					return err
				}
				r, err := f.Run(ctx, l, server)
				if err != nil {
					return err
				}
				b.results.add(name+", frames/s", kind, r.Rate())
				b.results.add(name+", frames per CPU-second", kind, r.PerCPU(r.Used[0]))
				b.results.add(name+", p50, ms", kind, r.P50)
				b.results.add(name+", p99, ms", kind, r.P99)
				b.results.add(name+", refused, %", kind, r.Refused)
				b.results.add(name+", cores of the server", kind, r.Cores(r.Used[0]))
				b.results.add(name+", cores of the generator", kind, r.Cores(r.Generator))
				return nil
			})
		}
	}
}

// pairFlow connects pairs that send to each other, both ways.
func pairFlow(kind contender.Kind, server *contender.Process, pairs, size int) (*flow.Flow, error) {
	return flow.Pairs(kind, pairs, size, func(i int) dialect.Place { return place(server, i) })
}

// roomFlow connects a room whose peers send to all.
func roomFlow(kind contender.Kind, server *contender.Process, peers int) (*flow.Flow, error) {
	f := new(flow.Flow)
	for i := range peers {
		c, err := dialect.Connect(kind, dialect.Place{
			Address: server.Address, Room: "the-room", Peer: fmt.Sprintf("peer-%06d", i), Relays: true,
		})
		if err != nil {
			f.Stop()
			return nil, err
		}
		f.Clients = append(f.Clients, c)
	}
	for i, c := range f.Clients {
		var others []string
		for j, other := range f.Clients {
			if j != i {
				others = append(others, other.ID())
			}
		}
		f.Add((i+1)%peers, roomSize, func(data []byte) error { return c.Broadcast(others, data) })
	}
	return f, nil
}
