//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/parley-rtc/parley/bench/internal/gauge"
	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
	"github.com/parley-rtc/parley/bench/relay/internal/results"
)

// measure lets the servers take turns. What fails is named, and the others go on.
func (o options) measure(ctx context.Context, out io.Writer) (*results.Results, error) {
	r := &results.Results{Made: time.Now().UTC(), Machine: machine(), Rounds: o.rounds}
	if err := raiseFiles(uint64(max(o.n, slices.Max(crowds))) + 200); err != nil {
		return r, err
	}
	dir, err := os.MkdirTemp("", "bench-relay")
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // nothing in it is needed any longer
	if o.field.Streams, err = contender.NewIdentity(dir); err != nil {
		return r, err
	}
	if o.pin {
		if o.cpus, err = lab.Divide(); err != nil {
			_, _ = fmt.Fprintln(out, err)
		}
	}
	var veth *lab.Net
	if o.wants(vethPart) {
		if veth, err = lab.Veth(); err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("packets on virtual Ethernet: %v", err))
			_, _ = fmt.Fprintf(out, "no packets on virtual Ethernet: %v\n", err)
		} else {
			defer veth.Close()
		}
	}
	suites := o.suites(veth)
	if o.match != "" && len(suites) == 0 {
		return r, fmt.Errorf("-match: no load of these parts has %q in its title", o.match)
	}
	_, _ = fmt.Fprintf(out, "%d rounds, which take about %v\n", o.rounds, o.expected(suites).Round(10*time.Second))
	began := time.Now()
	var faults []error
	for round := range o.rounds {
		if err := o.round(ctx, round, suites, r); err != nil {
			faults = append(faults, fmt.Errorf("round %d: %w", round+1, err))
		}
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		_, _ = fmt.Fprintf(out, "round %d has ended after %v\n", round+1, time.Since(began).Round(time.Second))
	}
	return r, errors.Join(faults...)
}

// round measures all once. Who begins changes from round to round.
func (o options) round(ctx context.Context, round int, suites []suite, r *results.Results) error {
	var faults []error
	note := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	for _, s := range suites {
		for i := range s.servers {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			kind := s.servers[(i+round)%len(s.servers)]
			note(o.path(ctx, s, kind, round, func(p results.Packet) { r.Packets = append(r.Packets, p) }))
		}
	}
	if o.wants(ladderPart) && slices.Contains(o.servers, contender.Coturn) && ctx.Err() == nil {
		climb, err := o.climb(ctx, round)
		if note(err); err == nil {
			r.Ladder = append(r.Ladder, climb)
		}
	}
	for i := range o.servers {
		if !o.wants(memoryPart) || ctx.Err() != nil {
			break
		}
		held, err := memory(ctx, o.field, o.servers[(i+round)%len(o.servers)], o.n, o.settle)
		if note(err); err == nil {
			held.Round = round
			r.Memory = append(r.Memory, held)
		}
	}
	return errors.Join(faults...)
}

// machine says where this runs.
func machine() string {
	return fmt.Sprintf("%d processors (%s), Linux %s, %s", runtime.NumCPU(), gauge.Processor(), gauge.Kernel(), runtime.Version())
}
