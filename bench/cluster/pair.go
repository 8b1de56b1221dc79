//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/flow"
)

const (
	inFlight  = 8   // messages on their way each way of a pair, in a closed loop
	frameSize = 200 // bytes of data: an ICE candidate
	saturated = "saturated"
)

func paced(pace int) string { return fmt.Sprintf("%d a second", pace) }

// pair measures frames that pairs send each other: as many as there can be, and fewer at a steady pace.
func (b *bench) pair(ctx context.Context) {
	loads := map[string]flow.Load{saturated: {InFlight: inFlight}}
	names := []string{saturated}
	for _, pace := range b.sizes.paces {
		names = append(names, paced(pace))
		loads[paced(pace)] = flow.Load{Pace: float64(pace)}
	}
	for _, name := range names {
		l := loads[name]
		l.Warm, l.Window = b.sizes.warm, b.window
		b.each(ctx, "pair, "+name, allSetups[:], 0, func(s *site, in setup) error { return b.flows(ctx, name, s, in, l) })
	}
}

// flows measures one load.
func (b *bench) flows(ctx context.Context, name string, s *site, in setup, l flow.Load) error {
	f, err := flow.Pairs(contender.Parley, b.sizes.pairs, frameSize, s.place)
	if err != nil {
		return err
	}
	profiled := b.startProfile(ctx, name, s, in)
	r, err := f.Run(ctx, l, nodesMeter{s}, redisMeter{s}, scriptMeter{s})
	if err = errors.Join(err, <-profiled); err != nil {
		return err
	}
	nodes, redis, scripts := r.Used[0], r.Used[1], r.Used[2].Microseconds()
	add := func(what string, value float64) { b.book.add("pair/"+name+", "+what, in, value) }
	frames := float64(r.Frames)
	add("frames/s", r.Rate())
	add("node CPU a frame, µs", float64(nodes.Nanoseconds())/1e3/frames)
	add("p50, ms", r.P50)
	add("p99, ms", r.P99)
	add("cores of the nodes", r.Cores(nodes))
	add("cores of the generator", r.Cores(r.Generator))
	add("refused, %", r.Refused)
	if in != inMemory {
		add("Redis CPU a frame, µs", float64(redis.Nanoseconds())/1e3/frames)
		add("scripts a frame", float64(scripts)/frames)
		add("cores of Redis", r.Cores(redis))
	}
	return nil
}

// startProfile profiles the first node, if that is wanted; it sends when it is done.
func (b *bench) startProfile(ctx context.Context, name string, s *site, in setup) <-chan error {
	done := make(chan error, 1)
	if b.profile == "" {
		done <- nil
		return done
	}
	go func() {
		_ = sleep(ctx, b.sizes.warm)
		seconds := max(1, int(b.window/time.Second))
		done <- s.nodes[0].Profile(ctx, fmt.Sprintf("profile?seconds=%d", seconds), filepath.Join(b.profile, strings.ReplaceAll(string(in)+" "+name, " ", "-")+".pprof"))
	}()
	return done
}
