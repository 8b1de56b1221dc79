//go:build linux

package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) {
	// The bench starts itself as the nodes.
	if slices.Contains(os.Args, "-serve") {
		main()
		return
	}
	flag.Parse()
	leaktest.Main(m)
}

// small is every scenario with as little as shows that it works.
func small(t *testing.T) *bench {
	return &bench{
		options: options{
			rounds: 1, window: 500 * time.Millisecond, json: filepath.Join(t.TempDir(), "results.json"),
			only:  scenarios,
			field: contender.Field{GOGC: "100"},
			sizes: sizes{pairs: 2, warm: 100 * time.Millisecond, paces: []int{100}, joins: 20, links: 4, beat: 200 * time.Millisecond, sessions: 100},
		},
		out: new(bytes.Buffer), book: book{Results: make(map[string]map[setup][]float64)},
	}
}

func TestEveryScenario(t *testing.T) {
	b := small(t)
	if err := b.run(context.Background()); err != nil {
		t.Fatalf("%v\n%s", err, b.out)
	}
	for what, in := range map[string][]setup{
		"pair/saturated, node CPU a frame, µs":     allSetups[:],
		"pair/100 a second, p99, ms":               allSetups[:],
		"pair/100 a second, Redis CPU a frame, µs": {oneNode, twoNodes},
		"steps/a join, node CPU, µs":               {inMemory, oneNode},
		"steps/its WebSocket, commands to Redis":   {oneNode},
		"steps/to leave, Redis CPU, µs":            {oneNode},
		"steps/a heartbeat, commands to Redis":     {oneNode},
		"memory/bytes of an idle session":          {oneNode},
	} {
		for _, s := range in {
			if v, ok := b.book.get(what, s); !ok || v <= 0 {
				t.Errorf("%s with %s: got %v, %v\n%s", what, s, v, ok, b.out)
			}
		}
	}
	if v, _ := b.book.get("pair/100 a second, scripts a frame", oneNode); v < 1 || v > 3 {
		t.Errorf("a frame took %v scripts", v)
	}

	// What was saved gives the same table.
	table := filepath.Join(t.TempDir(), "README.md")
	begin, end := marks(measured)
	if err := os.WriteFile(table, []byte("before\n"+begin+"old\n"+end+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(context.Background(), []string{"-from", b.json, "-table", table}, new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(table)
	if want := "before\n" + begin + b.markdown() + end + "\nafter\n"; err != nil || string(text) != want {
		t.Errorf("got %s, %v; want %s", text, err, want)
	}
}

func TestFigures(t *testing.T) {
	b := small(t)
	cpu := func(load string, memory, one, two float64) {
		for in, v := range map[setup]float64{inMemory: memory, oneNode: one, twoNodes: two} {
			b.book.add("pair/"+load+", node CPU a frame, µs", in, v)
		}
	}
	cpu("100 a second", 30, 40, 60)
	cpu(saturated, 10, 25, 25)
	b.book.add("pair/100 a second, p99, ms", inMemory, 1)
	for _, v := range []float64{2, 3, 900} { // the median counts
		b.book.add("pair/100 a second, p99, ms", oneNode, v)
	}
	b.book.add("pair/saturated, cores of the generator", oneNode, 0.6)
	b.book.add("pair/saturated, cores of Redis", oneNode, 0.35)
	var lines []string
	for _, f := range b.figures() {
		lines = append(lines, strings.Join(strings.Fields(f.String()), " "))
	}
	want := []string{
		"saturated: frames per CPU-second of the node on Redis, by in memory 0.40 × ≥ 0.5 MISSED",
		"saturated: node CPU a frame with two nodes, by one 1.00 × ≤ 1.1 holds",
		"100 a second: frames per CPU-second of the node on Redis, by in memory 0.75 × ≥ 0.5 holds",
		"100 a second: node CPU a frame with two nodes, by one 1.50 × ≤ 1.1 MISSED",
		"100 a second: p99 on Redis, more than in memory 2.00 ms ≤ 3 holds",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if got := b.limits(); len(got) != 1 || !strings.Contains(got[0], "Redis and the generator together used a core") {
		t.Errorf("limits are %q", got)
	}
}

func TestRefusedFlags(t *testing.T) {
	for name, c := range map[string]struct{ args, want string }{
		"a scenario that is none": {"-only pair,speed", `-only: there is no scenario "speed"`},
		"no rounds":               {"-rounds 0", "-rounds is 0"},
		"no time":                 {"-window 1ms", "-window is 1ms"},
		"an argument":             {"now", `unexpected argument "now"`},
		"a child that is none":    {"-serve y-webrtc", `-serve: there is no server "y-webrtc"`},
		"results that are none":   {"-from doc.go", "doc.go is not what -json writes"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(context.Background(), strings.Fields(c.args), new(bytes.Buffer))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
