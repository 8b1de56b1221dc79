package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/parley-rtc/parley/bench/signaling/internal/contender"
	"github.com/parley-rtc/parley/bench/signaling/internal/dialect"
)

const (
	pairs        = 16
	pairFlight   = 8    // messages on their way each way of a pair, in a closed loop
	candidate    = 200  // bytes of data: an ICE candidate
	offer        = 2000 // bytes of data: an offer
	roomPeers    = 30
	roomFlight   = 2   // broadcasts on their way of each peer, in a closed loop
	roomSize     = 200 // bytes of data
	saturated    = "saturated"
	atRivals     = "at the best rival's load"
	atHalfRivals = "at half of it"
)

func (b *bench) pairScenario(ctx context.Context) {
	for _, size := range []int{candidate, offer} {
		name := fmt.Sprintf("pair/%d bytes", size)
		connect := func(kind contender.Kind, server *contender.Process) (*flow, error) {
			return pairFlow(kind, server, size)
		}
		b.relay(ctx, name, pairFlight, 1, connect)
	}
}

func (b *bench) roomScenario(ctx context.Context) {
	b.relay(ctx, fmt.Sprintf("room/%d peers", roomPeers), roomFlight, roomPeers-1, roomFlow)
}

// relay measures a kind of flow: first as much of it as each server can take, then as much as the best rival can take,
// and half of that. Each message is delivered to so many.
func (b *bench) relay(ctx context.Context, name string, inFlight, deliveries int, connect func(contender.Kind, *contender.Process) (*flow, error)) {
	b.eachRound(ctx, name+", "+saturated, func(kind contender.Kind, server *contender.Process) (flowed, error) {
		f, err := connect(kind, server)
		if err != nil {
			return flowed{}, err
		}
		if b.profile != "" && kind == contender.Parley && name == fmt.Sprintf("pair/%d bytes", candidate) {
			go func() {
				time.Sleep(flowWarm)
				what := fmt.Sprintf("profile?seconds=%d", max(1, int(b.window.Seconds())-1))
				f.fail(server.Profile(ctx, what, filepath.Join(b.profile, "pair-cpu.pprof")))
			}()
		}
		return f.run(ctx, server, inFlight, 0, b.window)
	})
	_, load, ok := b.results.best(name+", "+saturated+", frames/s", true)
	if !ok {
		return // no rival to measure against
	}
	for _, at := range []struct {
		name string
		load float64
	}{{atHalfRivals, load / 2}, {atRivals, load}} {
		b.eachRound(ctx, name+", "+at.name, func(kind contender.Kind, server *contender.Process) (flowed, error) {
			f, err := connect(kind, server)
			if err != nil {
				return flowed{}, err
			}
			return f.run(ctx, server, 0, at.load/float64(deliveries), b.window)
		})
	}
}

// eachRound measures every server that relays, one after the other, as often as there are rounds.
func (b *bench) eachRound(ctx context.Context, name string, measure func(contender.Kind, *contender.Process) (flowed, error)) {
	for range b.rounds {
		for _, kind := range b.relays() {
			b.with(ctx, name, kind, 0, func(server *contender.Process) error {
				r, err := measure(kind, server)
				if err != nil {
					return err
				}
				b.results.add(name+", frames/s", kind, r.rate)
				b.results.add(name+", frames per CPU-second", kind, r.perCPU)
				b.results.add(name+", p50, ms", kind, r.p50)
				b.results.add(name+", p99, ms", kind, r.p99)
				b.results.add(name+", cores of the server", kind, r.cores)
				b.results.add(name+", cores of the generator", kind, r.generator)
				return nil
			})
		}
	}
}

// pairFlow connects pairs that send to each other, both ways.
func pairFlow(kind contender.Kind, server *contender.Process, size int) (*flow, error) {
	f := new(flow)
	for i := range 2 * pairs {
		at := place(server, i)
		at.Buffer, at.Relays = 0, true
		c, err := dialect.Connect(kind, at)
		if err != nil {
			f.stop()
			return nil, err
		}
		f.clients = append(f.clients, c)
	}
	for i, c := range f.clients {
		to := f.clients[i^1].ID()
		f.sources = append(f.sources, source{
			send:  func(data []byte) error { return c.Signal(to, data) },
			data:  stamped(i, size),
			paces: i ^ 1,
		})
	}
	return f, nil
}

// roomFlow connects a room whose peers send to all.
func roomFlow(kind contender.Kind, server *contender.Process) (*flow, error) {
	f := new(flow)
	for i := range roomPeers {
		c, err := dialect.Connect(kind, dialect.Place{
			Address: server.Address, Room: "the-room", Peer: fmt.Sprintf("peer-%06d", i), Relays: true,
		})
		if err != nil {
			f.stop()
			return nil, err
		}
		f.clients = append(f.clients, c)
	}
	for i, c := range f.clients {
		var others []string
		for j, other := range f.clients {
			if j != i {
				others = append(others, other.ID())
			}
		}
		f.sources = append(f.sources, source{
			send:  func(data []byte) error { return c.Broadcast(others, data) },
			data:  stamped(i, roomSize),
			paces: (i + 1) % roomPeers,
		})
	}
	return f, nil
}
