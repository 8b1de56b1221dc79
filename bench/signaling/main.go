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
	"strconv"
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
		fmt.Fprintln(os.Stderr, "bench/signaling:", err)
		os.Exit(1)
	}
}

// scenarios, in the order they are run.
var scenarios = []string{"idle", "connect", "ping", "pair", "room"}

type options struct {
	only    []string
	servers []contender.Kind
	idle    []int // connections
	rounds  int
	window  time.Duration // of one measurement
	json    string
	profile string
	field   contender.Field
	sizes   sizes
}

// sizes are how much of everything there is.
type sizes struct {
	connectWarm  int // connects before those that are measured: node compiles what is used often
	connects     int // that are measured
	pingClients  int
	pingWindow   time.Duration
	flowWarm     time.Duration // before a window
	pairs, peers int           // of the relay, and of its room
}

var fullSizes = sizes{
	connectWarm: 500, connects: 1500,
	pingClients: 500, pingWindow: 4 * time.Second,
	flowWarm: time.Second, pairs: 16, peers: 30,
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o := options{servers: contender.Kinds, sizes: fullSizes}
	flags := flag.NewFlagSet("signaling", flag.ContinueOnError)
	only := flags.String("only", strings.Join(scenarios, ","), "the `scenarios` to run")
	servers := flags.String("servers", "", "the `servers` to compare; parley, bare, y-webrtc, peerjs and socket.io if empty")
	idle := flags.String("n", "5000,10000", "how many idle `connections`, rising")
	pin := flags.Bool("pin", true, "bind the servers to one core and the generator to the others, by taskset")
	flags.IntVar(&o.rounds, "rounds", 3, "how often to measure all but memory; the medians count")
	flags.DurationVar(&o.window, "window", 2*time.Second, "how long to measure frames for, each time")
	flags.StringVar(&o.json, "json", "bench/signaling/results.json", "the `file` for every single result; none if empty")
	flags.StringVar(&o.profile, "profile", "", "a `folder` for Parley's profiles: its heap with all kinds of idle sessions, its CPU in the pair relay")
	flags.StringVar(&o.field.GOGC, "gogc", "50", "`GOGC` of the servers written in Go; cmd/signal has 50, too")
	flags.StringVar(&o.field.Rivals, "rivals", "bench/signaling/rivals", "the `folder` where the rivals are installed")
	child := flags.String("serve", "", "be this `server`: what the bench starts itself with")
	listen := flags.String("listen", "", "with -serve: its `address`")
	heartbeat := flags.Duration("heartbeat", 0, "with -serve parley: its heartbeat")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err := raiseFileLimit(); err != nil {
		return err
	}
	switch contender.Kind(*child) {
	case "":
	case contender.Parley:
		return serve.Parley(ctx, *listen, *heartbeat, "")
	case contender.Bare:
		return serve.Bare(ctx, *listen)
	default:
		return fmt.Errorf("-serve: there is no server %q here", *child)
	}
	if err := o.choose(*only, *servers, *idle); err != nil {
		return err
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return fmt.Errorf("-profile: %w", err)
		}
	}
	if *pin {
		if err := o.field.Pin(); err != nil {
			return err
		}
	}
	return newBench(o, stdout).run(ctx)
}

// choose reads what the flags list.
func (o *options) choose(only, servers, idle string) error {
	o.only = strings.Split(only, ",")
	for _, s := range o.only {
		if !slices.Contains(scenarios, s) {
			return fmt.Errorf("-only: there is no scenario %q; there are %s", s, strings.Join(scenarios, ", "))
		}
	}
	if servers != "" {
		o.servers = nil
		for s := range strings.SplitSeq(servers, ",") {
			if !slices.Contains(contender.Kinds, contender.Kind(s)) {
				return fmt.Errorf("-servers: there is no server %q; there are %v", s, contender.Kinds)
			}
			o.servers = append(o.servers, contender.Kind(s))
		}
	}
	for s := range strings.SplitSeq(idle, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 2 || len(o.idle) > 0 && n <= o.idle[len(o.idle)-1] {
			return fmt.Errorf("-n: %q is not a list of rising numbers above 1", idle)
		}
		o.idle = append(o.idle, n)
	}
	if o.rounds < 1 {
		return fmt.Errorf("-rounds is %d; it must be at least 1", o.rounds)
	}
	if o.window < 100*time.Millisecond {
		return fmt.Errorf("-window is %v; it must be at least 100ms", o.window)
	}
	const spare = 200 // files that are not connections
	if most := o.idle[len(o.idle)-1]; slices.Contains(o.only, "idle") && most+spare > fileLimit() {
		return fmt.Errorf("-n: %d connections need as many open files, and the limit is %d: raise it (ulimit -n)", most, fileLimit())
	}
	return nil
}

func fileLimit() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 1 << 10
	}
	return int(min(l.Cur, 1<<30))
}

// raiseFileLimit lets this process, and those that it starts, open as many files as they may.
func raiseFileLimit() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("the limit of open files: %w", err)
	}
	// Set even if it is that high already: what the Go runtime raised by itself, it takes back for children.
	l.Cur = l.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("the limit of open files: %w", err)
	}
	return nil
}
