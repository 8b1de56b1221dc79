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
	"strings"
	"syscall"

	"github.com/parley-rtc/parley/bench/relay/internal/pion"
	"github.com/parley-rtc/parley/bench/relay/internal/results"
	"github.com/parley-rtc/parley/bench/relay/internal/soak"
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

// run does what the arguments say: it measures, soaks, makes tables of what was measured before, or serves as pion/turn.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	switch {
	case o.serve.Listen != "":
		return pion.Serve(ctx, o.serve)
	case o.soak.For != 0:
		if err := raiseFiles(20_000); err != nil {
			return err
		}
		return soak.Run(ctx, o.soak, out)
	case o.from != "":
		r, err := read(o.from)
		if err != nil {
			return err
		}
		return errors.Join(o.keep(r), o.show(r, out))
	}
	r, err := o.measure(ctx, out)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(err, o.keep(r), o.show(r, out))
}

// read reads files of results, separated by commas: what a later one has counts in place of the earlier ones'.
func read(files string) (*results.Results, error) {
	var all *results.Results
	for file := range strings.SplitSeq(files, ",") {
		r, err := results.Read(file)
		if err != nil {
			return nil, fmt.Errorf("-from: %w", err)
		}
		if all == nil {
			all = r
		} else {
			all.Add(r)
		}
	}
	return all, nil
}

// keep writes the results where they are asked for.
func (o options) keep(r *results.Results) error {
	if o.json == "" {
		return nil
	}
	return r.Write(o.json)
}

// show writes tables, and what else is asked for.
func (o options) show(r *results.Results, out io.Writer) error {
	faults := []error{r.Tables(out)}
	if o.svg != "" {
		faults = append(faults, r.WritePlot(o.svg))
	}
	if o.readme != "" {
		faults = append(faults, r.UpdateReadme(o.readme))
	}
	return errors.Join(faults...)
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
