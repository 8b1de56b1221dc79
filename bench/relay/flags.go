//go:build linux

package main

import (
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
	"github.com/parley-rtc/parley/bench/relay/internal/pion"
	"github.com/parley-rtc/parley/bench/relay/internal/soak"
)

// Parts of a run.
const (
	memoryPart = "memory"
	packets    = "packets"
	streams    = "streams"
	growth     = "growth"
	vethPart   = "veth"
	ladderPart = "ladder"
)

var partNames = []string{memoryPart, packets, streams, growth, vethPart, ladderPart}

// usual is how long a load lasts if nothing else is said.
const usual = 1500 * time.Millisecond

type options struct {
	servers []contender.Kind
	parts   []string
	n       int
	most    int
	rounds  int
	tries   int
	settle  time.Duration
	each    time.Duration
	field   contender.Field
	pin     bool
	cpus    lab.Processors

	match                   string
	from, json, svg, readme string

	serve pion.Config
	soak  soak.Config
}

func (o options) wants(part string) bool { return slices.Contains(o.parts, part) }

// parse reads the arguments; the error names the flag that is wrong.
func parse(args []string) (options, error) {
	o := options{servers: contender.Kinds, parts: partNames}
	o.soak = soak.Config{Rate: 20_000, Clients: 300, Every: 10 * time.Second, File: "soak.csv"}
	f := flag.NewFlagSet("relay", flag.ContinueOnError)
	f.IntVar(&o.n, "n", 5_000, "idle allocations that memory is measured with")
	f.IntVar(&o.most, "most", crowds[len(crowds)-1], "allocations that growth is measured up to")
	f.IntVar(&o.rounds, "rounds", 3, "rounds, of which the medians count")
	f.IntVar(&o.tries, "tries", 3, "how often a load is made at most while other programs keep the machine busy")
	f.DurationVar(&o.settle, "settle", 10*time.Second, "how long allocations are idle before memory is read")
	f.DurationVar(&o.each, "for", usual, "how long each load of packets lasts; shorter ones shorten the ladder, too")
	only := f.String("only", "", "measure these parts alone, separated by commas: "+strings.Join(partNames, ", "))
	f.StringVar(&o.match, "match", "", "measure only loads of packets whose title has this text, as \"6 kpps\"")
	servers := f.String("servers", "", "servers, separated by commas (default all: coturn,parley,pion/turn)")
	f.StringVar(&o.field.Turn, "turn", "bin/turn", "cmd/turn's binary")
	f.BoolVar(&o.pin, "pin", false, "keep the load on one processor and the servers off it, in place of letting the scheduler place them")
	more := f.String("turn-flags", "", "more flags for it, separated by spaces")

	f.StringVar(&o.from, "from", "", "measure nothing, and show what these files of results say, separated by commas; of each part the last one's counts")
	f.StringVar(&o.json, "json", "", "write the results to this file")
	f.StringVar(&o.svg, "svg", "", "write the plot to this file")
	f.StringVar(&o.readme, "readme", "", "write the table into this file, between its markers")

	f.DurationVar(&o.soak.For, "soak", 0, "measure nothing but cmd/turn, for so long, with clients that come and go")
	f.IntVar(&o.soak.Rate, "soak-rate", o.soak.Rate, "packets a second of the soak")
	f.IntVar(&o.soak.Clients, "soak-clients", o.soak.Clients, "clients at once of the soak, a tenth over TCP and TLS")
	f.DurationVar(&o.soak.Every, "soak-every", o.soak.Every, "how often the soak writes down what the process holds")
	f.StringVar(&o.soak.File, "soak-file", o.soak.File, "where it writes that to, as CSV")

	f.StringVar(&o.serve.Listen, "serve", "", "be pion/turn's server at this address; the bench starts itself so")
	f.StringVar(&o.serve.Relay, "serve-relay", "127.0.0.1", "with relays on this IP")
	f.StringVar(&o.serve.TLS, "serve-tls", "", "and with TLS at this address, and TCP")
	identity := f.String("serve-identity", "", "with this certificate and key, separated by a comma")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	o.serve.Realm, o.serve.User, o.serve.Password = contender.Realm, contender.User, contender.Password
	o.serve.MinPort, o.serve.MaxPort = contender.MinPort, contender.MaxPort
	o.serve.Certificate, o.serve.Key, _ = strings.Cut(*identity, ",")
	o.field.Net, o.field.Flags = lab.Loopback(), strings.Fields(*more)
	o.soak.Field = o.field
	if *only != "" {
		o.parts = strings.Split(*only, ",")
	}
	if *servers != "" {
		var err error
		if o.servers, err = contender.Parse(*servers); err != nil {
			return o, fmt.Errorf("-servers: %w", err)
		}
	}
	return o, o.check()
}

func (o options) check() error {
	for _, part := range o.parts {
		if !slices.Contains(partNames, part) {
			return fmt.Errorf("-only: there is no %q, only %s", part, strings.Join(partNames, ", "))
		}
	}
	switch {
	case o.n < 1 || o.n > 16_000:
		return fmt.Errorf("-n: %d is not 1 to 16000, for which there are ports", o.n)
	case o.most < crowds[0] || o.most > 16_000:
		return fmt.Errorf("-most: %d is not %d to 16000, for which there are ports", o.most, crowds[0])
	case o.each < 100*time.Millisecond:
		return fmt.Errorf("-for: %v is less than 100ms", o.each)
	case o.settle < 0:
		return fmt.Errorf("-settle: %v is negative", o.settle)
	case o.rounds < 1:
		return fmt.Errorf("-rounds: %d is less than 1", o.rounds)
	case o.tries < 1:
		return fmt.Errorf("-tries: %d is less than 1", o.tries)
	case o.soak.For < 0:
		return fmt.Errorf("-soak: %v is negative", o.soak.For)
	}
	return o.checkTurn()
}

// checkTurn says if cmd/turn cannot be started, where it is to be, before what comes before it was measured for minutes.
func (o options) checkTurn() error {
	if o.from != "" || o.serve.Listen != "" || o.soak.For == 0 && !slices.Contains(o.servers, contender.Parley) {
		return nil
	}
	if _, err := exec.LookPath(o.field.Turn); err != nil {
		return fmt.Errorf("-turn: %w; make build makes bin/turn", err)
	}
	return nil
}
