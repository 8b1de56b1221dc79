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

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/serve"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench/cluster:", err)
		os.Exit(1)
	}
}

// scenarios, in the order they are run.
var scenarios = []string{"pair", "steps", "memory"}

type options struct {
	only    []string
	rounds  int
	window  time.Duration // of one measurement
	json    string
	tables  string // files with markers, to write tables to
	profile string // a folder
	field   contender.Field
	sizes   sizes
}

// sizes are how much of everything there is.
type sizes struct {
	pairs    int
	warm     time.Duration
	paces    []int // frames a second of the paced loads
	joins    int
	links    int           // of the heartbeats
	beat     time.Duration // between two of a link
	sessions int           // idle ones
}

var fullSizes = sizes{
	pairs: 16, warm: time.Second, paces: []int{200, 1000, 4000},
	joins: 1000, links: 500, beat: 500 * time.Millisecond, sessions: 4000,
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o := options{sizes: fullSizes}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	only := flags.String("only", strings.Join(scenarios, ","), "the `scenarios` to run")
	pin := flags.Bool("pin", true, "bind the nodes to one core, and the generator and Redis to the others, by taskset")
	from := flags.String("from", "", "measure nothing: print what this `file` of -json holds")
	flags.IntVar(&o.rounds, "rounds", 3, "how often to measure all but memory; the medians count")
	flags.DurationVar(&o.window, "window", 3*time.Second, "how long to measure frames and heartbeats for, each time")
	flags.StringVar(&o.json, "json", "", "the `file` for every single result; none if empty")
	flags.StringVar(&o.tables, "table", "", "the `files`, separated by commas, to write tables to, between their markers; none if empty")
	flags.StringVar(&o.profile, "profile", "", "a `folder` for CPU profiles of a node, one for each setup and load of the pairs")
	flags.StringVar(&o.field.GOGC, "gogc", "50", "`GOGC` of the nodes; cmd/signal has 50, too")
	child := flags.String("serve", "", "be this `server`: what the bench starts itself with")
	listen := flags.String("listen", "", "with -serve: its `address`")
	heartbeat := flags.Duration("heartbeat", 0, "with -serve: its heartbeat")
	redis := flags.String("redis", "", "with -serve: the `URL` of its Redis")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.only = strings.Split(*only, ",")
	for _, s := range o.only {
		if !slices.Contains(scenarios, s) {
			return fmt.Errorf("-only: there is no scenario %q; there are %s", s, strings.Join(scenarios, ", "))
		}
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.rounds < 1:
		return fmt.Errorf("-rounds is %d; it must be at least 1", o.rounds)
	case o.window < 100*time.Millisecond:
		return fmt.Errorf("-window is %v; it must be at least 100ms", o.window)
	case *child != "" && contender.Kind(*child) != contender.Parley:
		return fmt.Errorf("-serve: there is no server %q here", *child)
	}
	if err := raiseFileLimit(); err != nil {
		return err
	}
	if *child != "" {
		return serve.Parley(ctx, *listen, *heartbeat, *redis)
	}
	b := &bench{options: o, out: stdout, book: book{Results: make(map[string]map[setup][]float64)}}
	if *from != "" {
		if err := b.book.read(*from); err != nil {
			return err
		}
		return b.report(scenarios)
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return fmt.Errorf("-profile: %w", err)
		}
	}
	if *pin {
		if err := b.field.Pin(); err != nil {
			return err
		}
	}
	return b.run(ctx)
}

// raiseFileLimit lets this process, and those that it starts, open as many files as they may.
func raiseFileLimit() error {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	if err == nil {
		l.Cur = l.Max
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	}
	if err != nil {
		return fmt.Errorf("the limit of open files: %w", err)
	}
	return nil
}
