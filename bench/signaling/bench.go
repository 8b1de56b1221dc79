//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/parley-rtc/parley/bench/internal/contender"
)

// bench is one run.
type bench struct {
	options
	out      io.Writer
	results  book
	failures []error
}

func newBench(o options, out io.Writer) *bench { return &bench{options: o, out: out} }

// run runs the scenarios and prints what came out. What fails does not keep the rest from being measured.
func (b *bench) run(ctx context.Context) error {
	begin := time.Now()
	machine := b.machine()
	b.printMachine(machine)
	run := map[string]func(context.Context){
		"idle": b.idleScenario, "connect": b.connectScenario, "ping": b.pingScenario, "pair": b.pairScenario, "room": b.roomScenario,
	}
	for _, name := range scenarios {
		if slices.Contains(b.only, name) && ctx.Err() == nil {
			run[name](ctx)
			b.printSection(name)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("stopped: %w", err)
	}
	b.printFigures()
	fmt.Fprintf(b.out, "\ntook %v\n", time.Since(begin).Round(time.Second))
	if b.json != "" {
		if err := b.results.write(b.json, machine); err != nil {
			return err
		}
	}
	return errors.Join(b.failures...)
}

// with starts a server for f, and stops it.
func (b *bench) with(ctx context.Context, what string, kind contender.Kind, heartbeat time.Duration, f func(*contender.Process) error) {
	b.withIn(ctx, b.field, what, kind, heartbeat, f)
}

func (b *bench) withIn(ctx context.Context, field contender.Field, what string, kind contender.Kind, heartbeat time.Duration, f func(*contender.Process) error) {
	if ctx.Err() != nil {
		return
	}
	server, err := field.Start(ctx, kind, heartbeat)
	if err == nil {
		err = f(server)
		err = errors.Join(err, server.Running())
		server.Stop()
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s of %s: %w", what, kind, err)
		fmt.Fprintln(b.out, "FAILED:", err)
		b.failures = append(b.failures, err)
	}
}

// relays are the servers that pass something on.
func (b *bench) relays() []contender.Kind {
	return slices.DeleteFunc(slices.Clone(b.servers), func(k contender.Kind) bool { return k == contender.Bare })
}
