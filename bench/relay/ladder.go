//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
	"github.com/parley-rtc/parley/bench/relay/internal/load"
	"github.com/parley-rtc/parley/bench/relay/internal/results"
)

const (
	step     = 20_000 // packets a second
	topRate  = 400_000
	tooMuch  = 0.001 // lost
	sure     = 10 * time.Second
	probeFor = time.Second
)

// ladderTime is about how long a round of it takes.
func (o options) ladderTime() time.Duration {
	return 8*(probeFor+100*time.Millisecond) + scaled(o.each, sure)*time.Duration(1+len(o.servers)) + scaled(o.each, sure/2)*time.Duration(len(o.servers))
}

// scaled shortens a time for those who ask for loads that are shorter than usual.
func scaled(each, d time.Duration) time.Duration { return min(d, max(each, d*each/usual)) }

// climb finds the rate at which the reference begins to lose packets, and has the others carry as many.
func (o options) climb(ctx context.Context, round int) (results.Climb, error) {
	c := results.Climb{Round: round}
	if err := o.probe(ctx, &c); err != nil {
		return c, err
	}
	for _, kind := range o.servers {
		if ctx.Err() != nil {
			return c, ctx.Err()
		}
		at, half, err := o.carry(ctx, kind, c.Rate)
		if err != nil {
			return c, fmt.Errorf("%s: %w", kind, err)
		}
		c.At = append(c.At, at)
		c.Half = append(c.Half, half)
	}
	return c, nil
}

// probe climbs: short tries, and a long one where a short one lost too much.
func (o options) probe(ctx context.Context, c *results.Climb) error {
	rig, server, err := o.open(lab.Loopback(), contender.Coturn, load.UDP, flows)
	if err != nil {
		return err
	}
	defer server.Stop()
	defer rig.Close()
	for rate := step; rate <= topRate && ctx.Err() == nil; rate += step {
		c.Rate = rate
		for _, d := range []time.Duration{scaled(o.each, probeFor), scaled(o.each, sure)} {
			m, err := o.metered(ctx, rig, server, single(rate, d))
			if err != nil {
				return err
			}
			c.Probes = append(c.Probes, results.Probe{Rate: rate, Result: m.Result, Others: m.others()})
			if !m.Whole() {
				c.Limit = m.Limit()
				return nil // from here on it is not the server's loss that shows
			}
			if m.Lost() < tooMuch {
				break
			}
			if d == scaled(o.each, sure) {
				return nil
			}
		}
	}
	c.Limit = "none of the rates was too much"
	return ctx.Err()
}

// carry has a server carry what the reference could not, and half of that.
func (o options) carry(ctx context.Context, kind contender.Kind, rate int) (at, half results.ServerResult, err error) {
	rig, server, err := o.open(lab.Loopback(), kind, load.UDP, flows)
	if err != nil {
		return at, half, err
	}
	defer server.Stop()
	defer rig.Close()
	run := func(rate int, d time.Duration) results.ServerResult {
		m, failure := o.metered(ctx, rig, server, single(rate, scaled(o.each, d)))
		err = errors.Join(err, failure)
		return results.ServerResult{Server: kind, Result: m.Result, Others: m.others()}
	}
	half = run(rate/2, sure/2)
	at = run(rate, sure)
	return at, half, err
}

func single(rate int, d time.Duration) load.Cell {
	return load.Cell{Rate: rate, Burst: 1, Size: 1000, For: d}
}
