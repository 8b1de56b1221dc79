//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/flow"
	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) {
	// The bench starts itself as the servers written in Go.
	if slices.Contains(os.Args, "-serve") {
		main()
		return
	}
	flag.Parse()
	leaktest.Main(m)
}

// small is every scenario with as little as shows that it works.
func small(servers ...contender.Kind) options {
	return options{
		only: scenarios, servers: servers, idle: []int{20}, rounds: 1, window: 300 * time.Millisecond,
		field: contender.Field{GOGC: "100", Rivals: "rivals"},
		sizes: sizes{
			connectWarm: 4, connects: 20, pingClients: 4, pingWindow: 1500 * time.Millisecond,
			flowWarm: 100 * time.Millisecond, pairs: 2, peers: 5,
		},
	}
}

func TestEveryScenarioWithTheServersThatNeedNoNode(t *testing.T) {
	var out bytes.Buffer
	o := small(contender.Parley, contender.Bare)
	o.json = filepath.Join(t.TempDir(), "results.json")
	b := newBench(o, &out)
	if err := b.run(context.Background()); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for what, kinds := range map[string][]contender.Kind{
		"idle/WebSocket, 20, live, KB":                     {contender.Parley, contender.Bare},
		"idle/events, 20, PSS, KB":                         {contender.Parley},
		"idle/parked poll, 20, PSS, KB":                    {contender.Parley},
		"idle/between polls, 20, PSS, KB":                  {contender.Parley},
		"connect/CPU, µs":                                  {contender.Parley, contender.Bare},
		"ping/client's ping, CPU, µs":                      {contender.Parley},
		"ping/server's ping, CPU, µs":                      {contender.Parley},
		"pair/200 bytes, saturated, frames per CPU-second": {contender.Parley},
		"pair/2000 bytes, saturated, p99, ms":              {contender.Parley},
		"room/5 peers, saturated, frames per CPU-second":   {contender.Parley},
	} {
		for _, k := range kinds {
			if v, ok := b.results.get(what, k); !ok || v <= 0 && !strings.HasPrefix(what, "idle/") {
				t.Errorf("%s of %s: got %v, %v", what, k, v, ok)
			}
		}
	}
	for _, part := range []string{"Figures (GOGC 100)", "CPU per ping of a client"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the report has no %q:\n%s", part, &out)
		}
	}
	var saved struct {
		Results map[string]map[string][]float64
	}
	text, err := os.ReadFile(o.json)
	if err == nil {
		err = json.Unmarshal(text, &saved)
	}
	if err != nil || len(saved.Results["connect/CPU, µs"]["parley"]) != 1 {
		t.Errorf("saved was %s (%v)", text, err)
	}
}

func TestAnOpenLoop(t *testing.T) {
	const rate = 200
	b := newBench(small(contender.Parley), new(bytes.Buffer))
	for name, connect := range map[string]connecter{
		"pairs": func(k contender.Kind, server *contender.Process) (*flow.Flow, error) {
			return pairFlow(k, server, 2, candidate)
		},
		"room": func(k contender.Kind, server *contender.Process) (*flow.Flow, error) { return roomFlow(k, server, 2) },
	} {
		b.eachRound(context.Background(), name, connect, flow.Load{Pace: rate, Warm: 100 * time.Millisecond, Window: 2 * time.Second})
		got, ok := b.results.get(name+", frames/s", contender.Parley)
		refused, _ := b.results.get(name+", refused, %", contender.Parley)
		// On a machine without time to spare there can be fewer, and more again later.
		if !ok || got < rate/4 || got > rate*2 || refused > 0 {
			t.Errorf("%s: at %d a second %v came through, %v %% were refused (%v)", name, rate, got, refused, b.failures)
		}
	}
}

func TestRefusedFlags(t *testing.T) {
	for name, c := range map[string]struct{ args, want string }{
		"a scenario that is none":   {"-only idle,speed", `-only: there is no scenario "speed"`},
		"a server that is none":     {"-servers parley,mediasoup", `-servers: there is no server "mediasoup"`},
		"numbers that fall":         {"-n 10000,5000", "-n: "},
		"numbers that are none":     {"-n many", "-n: "},
		"more than there are files": {"-only idle -n 2000000000", "need as many open files"},
		"no rounds":                 {"-rounds 0", "-rounds is 0"},
		"no time":                   {"-window 1ms", "-window is 1ms"},
		"an argument":               {"now", `unexpected argument "now"`},
		"a child that is none":      {"-serve y-webrtc", `-serve: there is no server "y-webrtc"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(context.Background(), strings.Fields(c.args), new(bytes.Buffer))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
