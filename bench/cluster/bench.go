//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/parley-rtc/parley/bench/internal/gauge"
)

// bench is one run.
type bench struct {
	options
	out      io.Writer
	book     book
	failures []error
}

// run runs the scenarios and prints what came out. What fails does not keep the rest from being measured.
func (b *bench) run(ctx context.Context) error {
	begin := time.Now()
	b.book.Machine = b.machine()
	b.book.Rounds = b.rounds
	fmt.Fprintln(b.out, b.book.Machine)
	scenario := map[string]func(context.Context){"pair": b.pair, "steps": b.steps, "memory": b.memory}
	for _, name := range scenarios {
		if slices.Contains(b.only, name) && ctx.Err() == nil {
			scenario[name](ctx)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("stopped: %w", err)
	}
	err := b.report(b.only)
	fmt.Fprintf(b.out, "\ntook %v\n", time.Since(begin).Round(time.Second))
	if b.json != "" {
		err = errors.Join(err, b.book.write(b.json))
	}
	return errors.Join(append(b.failures, err)...)
}

// machine says where and with what was measured.
func (b *bench) machine() string {
	where := "all share them"
	if b.field.Pinned {
		where = fmt.Sprintf("nodes on one, GOMAXPROCS=1, generator and Redis on the other %d", runtime.NumCPU()-1)
		if runtime.NumCPU() == 2 {
			where = "nodes on one, generator and Redis on the other"
		}
	}
	redis := "Redis"
	if version, err := redisVersion(); err == nil {
		redis = "Redis " + version
	}
	return fmt.Sprintf("%d processors (%s; %s), Linux %s, %s, GOGC %s, %s", runtime.NumCPU(), gauge.Processor(), where, gauge.Kernel(), runtime.Version(), b.field.GOGC, redis)
}

// each measures a thing in every setup, as often as there are rounds; setups take turns.
func (b *bench) each(ctx context.Context, what string, where []setup, heartbeat time.Duration, measure func(*site, setup) error) {
	for range b.rounds {
		for _, in := range where {
			if ctx.Err() == nil {
				b.once(ctx, what, in, heartbeat, measure)
			}
		}
	}
}

func (b *bench) once(ctx context.Context, what string, in setup, heartbeat time.Duration, measure func(*site, setup) error) {
	s, err := b.start(ctx, in, heartbeat)
	if err == nil {
		err = errors.Join(measure(s, in), s.running())
		s.stop()
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s with %s: %w", what, in, err)
		fmt.Fprintln(b.out, "FAILED:", err)
		b.failures = append(b.failures, err)
	}
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
