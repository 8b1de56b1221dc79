//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/pion"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench/relay:", err)
		os.Exit(1)
	}
}

type options struct {
	servers []contender.Kind
	n       int
	rounds  int
	settle  time.Duration
	field   contender.Field
}

// run measures what the arguments say. The bench starts itself as the server of pion/turn, with -serve.
func run(ctx context.Context, args []string, out io.Writer) error {
	o := options{servers: contender.Kinds}
	f := flag.NewFlagSet("relay", flag.ContinueOnError)
	f.IntVar(&o.n, "n", 10_000, "allocations")
	f.IntVar(&o.rounds, "rounds", 3, "rounds, of which the medians count")
	f.DurationVar(&o.settle, "settle", 10*time.Second, "how long allocations are idle before memory is read")
	f.StringVar(&o.field.Turn, "turn", "bin/turn", "cmd/turn's binary")
	servers := f.String("servers", "", "servers, separated by commas (default all: coturn,parley,pion/turn)")
	serve := f.String("serve", "", "be pion/turn's server at this address")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *serve != "" {
		return pion.Serve(ctx, *serve, contender.Realm, contender.User, contender.Password, 49152, 65535)
	}
	if *servers != "" {
		o.servers = nil
		for name := range strings.SplitSeq(*servers, ",") {
			if !slices.Contains(contender.Kinds, contender.Kind(name)) {
				return fmt.Errorf("-servers: there is no %q, only %v", name, contender.Kinds)
			}
			o.servers = append(o.servers, contender.Kind(name))
		}
	}
	if o.n < 1 || o.n > 16_000 {
		return fmt.Errorf("-n: %d is not 1 to 16000, for which there are ports", o.n)
	}
	if o.rounds < 1 {
		return fmt.Errorf("-rounds: %d is less than 1", o.rounds)
	}
	return o.run(ctx, out)
}

// run lets the servers take turns.
func (o options) run(ctx context.Context, out io.Writer) error {
	if err := raiseFiles(uint64(o.n) + 200); err != nil {
		return err
	}
	results := make(map[contender.Kind][]held)
	var faults []error
	for range o.rounds {
		for _, kind := range o.servers {
			h, err := memory(ctx, o.field, kind, o.n, o.settle)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				faults = append(faults, err)
				continue
			}
			results[kind] = append(results[kind], h)
		}
	}
	return errors.Join(append(faults, report(out, o.n, results))...)
}

// raiseFiles lets this process and the servers it starts open so many files.
func raiseFiles(need uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Max < need {
		limit.Max = need // as root
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d files must be open: %w; see ulimit -n", need, err)
	}
	return nil
}
