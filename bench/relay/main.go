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
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
	"github.com/parley-rtc/parley/bench/relay/internal/pion"
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

// mostFlows is how many allocations loads are spread over at most.
const mostFlows = 10_000

type options struct {
	servers []contender.Kind
	n       int
	rounds  int
	settle  time.Duration
	each    time.Duration
	only    string
	field   contender.Field
}

// run measures what the arguments say. The bench starts itself as the server of pion/turn, with -serve.
func run(ctx context.Context, args []string, out io.Writer) error {
	o := options{servers: contender.Kinds}
	f := flag.NewFlagSet("relay", flag.ContinueOnError)
	f.IntVar(&o.n, "n", 10_000, "allocations")
	f.IntVar(&o.rounds, "rounds", 3, "rounds, of which the medians count")
	f.DurationVar(&o.settle, "settle", 10*time.Second, "how long allocations are idle before memory is read")
	f.DurationVar(&o.each, "for", 3*time.Second, "how long each load of packets lasts")
	f.StringVar(&o.only, "only", "", "measure this alone: memory or packets")
	f.StringVar(&o.field.Turn, "turn", "bin/turn", "cmd/turn's binary")
	servers := f.String("servers", "", "servers, separated by commas (default all: coturn,parley,pion/turn)")
	var serve pion.Config
	var identity string
	f.StringVar(&serve.Listen, "serve", "", "be pion/turn's server at this address; the bench starts itself so")
	f.StringVar(&serve.Relay, "serve-relay", "127.0.0.1", "with relays on this IP")
	f.StringVar(&serve.TLS, "serve-tls", "", "and TLS at this address, and TCP")
	f.StringVar(&identity, "serve-identity", "", "with this certificate and key, separated by a comma")
	lasting := soak.Config{Rate: 20_000, Clients: 300, Every: 10 * time.Second, File: "soak.csv"}
	f.DurationVar(&lasting.For, "soak", 0, "nothing but cmd/turn, for so long, with clients that come and go")
	f.IntVar(&lasting.Rate, "soak-rate", lasting.Rate, "packets a second of it")
	f.IntVar(&lasting.Clients, "soak-clients", lasting.Clients, "clients at once of it, a tenth over TCP and TLS")
	f.DurationVar(&lasting.Every, "soak-every", lasting.Every, "how often what the process holds is written down")
	f.StringVar(&lasting.File, "soak-file", lasting.File, "where to, as CSV")
	if err := f.Parse(args); err != nil {
		return err
	}
	if serve.Listen != "" {
		serve.Realm, serve.User, serve.Password = contender.Realm, contender.User, contender.Password
		serve.MinPort, serve.MaxPort = contender.MinPort, contender.MaxPort
		serve.Certificate, serve.Key, _ = strings.Cut(identity, ",")
		return pion.Serve(ctx, serve)
	}
	o.field.Net = lab.Loopback()
	if lasting.For != 0 {
		lasting.Field = o.field
		if err := raiseFiles(20_000); err != nil {
			return err
		}
		return soak.Run(ctx, lasting, out)
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
	if !slices.Contains([]string{"", "memory", "packets"}, o.only) {
		return fmt.Errorf("-only: %q is not memory or packets", o.only)
	}
	if o.each < 100*time.Millisecond {
		return fmt.Errorf("-for: %v is less than 100ms", o.each)
	}
	if o.rounds < 1 {
		return fmt.Errorf("-rounds: %d is less than 1", o.rounds)
	}
	return o.run(ctx, out)
}

// run lets the servers take turns.
func (o options) run(ctx context.Context, out io.Writer) error {
	if err := raiseFiles(uint64(max(o.n, mostFlows)) + 200); err != nil {
		return err
	}
	var faults []error
	if o.only != "packets" {
		faults = append(faults, o.memories(ctx, out))
	}
	if o.only != "memory" && ctx.Err() == nil {
		faults = append(faults, o.paths(ctx, out))
	}
	return errors.Join(faults...)
}

// memories measures what allocations hold.
func (o options) memories(ctx context.Context, out io.Writer) error {
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

// paths measures what packets cost.
func (o options) paths(ctx context.Context, out io.Writer) error {
	all := cells(o.each)
	all = slices.DeleteFunc(all, func(c cell) bool { return c.flows > max(o.n, 50) })
	results := make(map[cell]map[contender.Kind][]carried)
	var faults []error
	for range o.rounds {
		for _, kind := range o.servers {
			err := path(ctx, o.field, kind, all, func(c cell, r carried) {
				if results[c] == nil {
					results[c] = make(map[contender.Kind][]carried)
				}
				results[c][kind] = append(results[c][kind], r)
			})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			faults = append(faults, err)
		}
	}
	return errors.Join(append(faults, reportPath(out, all, results))...)
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
