//go:build linux

package results

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/load"
)

// sample is a run of two rounds.
func sample() *Results {
	r := &Results{Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Machine: "2 processors", Rounds: 2, Notes: []string{"packets on virtual Ethernet: no root"}}
	for round := range 2 {
		for _, server := range contender.Kinds {
			cost := map[contender.Kind]float64{contender.Coturn: 10, contender.Parley: 5, contender.Pion: 16}[server] * float64(1+round)
			add := func(part string, flows, rate, burst int, lost int, cpu float64) {
				r.Packets = append(r.Packets, Packet{
					Case: Case{Part: part, Net: "loopback", Transport: load.UDP, Flows: flows, Rate: rate, Burst: burst, Size: 1000}, Server: server, Round: round,
					Result: load.Result{Sent: 10_000, Arrived: 10_000 - lost, P50: 20 * time.Microsecond, P99: 90 * time.Microsecond}, CPU: cpu, All: 2 * cpu,
				})
			}
			add("packets", 50, 6_000, 1, 0, 2*cost)
			add("packets", 50, 80_000, 1, 0, cost)
			add("packets", 50, 80_000, 8, map[bool]int{true: 800}[server == contender.Pion], cost)
			add("growth", 10, 80_000, 8, 0, cost)
			add("growth", 10_000, 80_000, 8, 0, 1.4*cost)
			r.Memory = append(r.Memory, Memory{Server: server, Round: round, N: 5000, Before: 10, After: 20, Resident: 3, Kernel: -1, PerCPU: 21_234})
		}
		r.Ladder = append(r.Ladder, Climb{
			Round: round, Rate: 160_000, Probes: []Probe{{Rate: 160_000, Result: load.Result{Sent: 1000, Arrived: 900}}},
			At:   []ServerResult{{Server: contender.Coturn, Result: load.Result{Sent: 100_000, Arrived: 99_000}}, {Server: contender.Parley, Result: load.Result{Sent: 100_000, Arrived: 100_000}}},
			Half: []ServerResult{{Server: contender.Coturn, Result: load.Result{P99: 70 * time.Microsecond}}, {Server: contender.Parley, Result: load.Result{P99: 60 * time.Microsecond}}},
		})
	}
	return r
}

func TestResultsAreReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	if err := sample().Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestPartsOfALaterRunCount(t *testing.T) {
	r, later := sample(), sample()
	c := later.cases("growth")[0]
	later.Memory, later.Ladder, later.Notes = nil, nil, nil
	later.Packets = []Packet{{Case: c, Server: contender.Parley, CPU: 42}}
	r.Add(later)
	if got := r.find(c, contender.Parley); len(r.cases("growth")) != 1 || len(got) != 1 || got[0].CPU != 42 {
		t.Errorf("growth: got %+v", got)
	}
	want := sample()
	if !reflect.DeepEqual(r.cases("packets"), want.cases("packets")) || !reflect.DeepEqual(r.Memory, want.Memory) || !reflect.DeepEqual(r.Ladder, want.Ladder) || len(r.Notes) != 1 {
		t.Error("other parts are not what they were")
	}
}

func TestFiguresAreJudged(t *testing.T) {
	got := make(map[string]Figure)
	for _, f := range sample().Figures() {
		got[f.Name] = f
	}
	for name, want := range map[string]struct {
		value   float64
		reached bool
	}{
		"CPU by coturn's, 6 kpps, singles":               {0.5, true},
		"CPU by coturn's, 80 kpps, bursts of 8":          {0.5, true},
		"CPU by pion/turn's, 80 kpps, bursts of 8":       {0.3125, true},
		"CPU at 10000 allocations by that at 10":         {1.4, false},
		"% lost at the first rate at which coturn loses": {0, true},
		"p99 at half of that, µs, beside coturn's":       {60, true},
		"KB of memory for an idle allocation":            {3, true},
		"allocations per CPU-second":                     {21_234, true},
	} {
		f, ok := got[name]
		if !ok || f.Reached() != want.reached || f.Value < want.value*0.999 || f.Value > want.value*1.001 {
			t.Errorf("%s: got %+v, %v, want %+v", name, f, ok, want)
		}
	}
}

func TestBoundsAreKept(t *testing.T) {
	for name, test := range map[string]struct {
		Figure
		want bool
	}{
		"the bound itself":             {Figure{Value: 0.6, Bound: 0.6}, true},
		"above it":                     {Figure{Value: 0.61, Bound: 0.6}, false},
		"the bound, which is too much": {Figure{Value: 1, Bound: 1, Strict: true}, false},
		"less than that":               {Figure{Value: 0.99, Bound: 1, Strict: true}, true},
		"as many as wanted":            {Figure{Value: 20_000, Bound: 20_000, AtLeast: true}, true},
		"too few":                      {Figure{Value: 19_999, Bound: 20_000, AtLeast: true}, false},
	} {
		if got := test.Reached(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	r := sample()
	c := r.cases("packets")[0]
	// Of all rounds together the medians would say 0.75.
	r.Packets = append(r.Packets, Packet{Case: c, Server: contender.Parley, Round: 7, CPU: 1000})
	if got := r.ratio(c, contender.Parley, contender.Coturn); got != 0.5 {
		t.Errorf("got %v, want 0.5", got)
	}
}

func TestRoundsThatAreDisturbedDoNotCount(t *testing.T) {
	r := sample()
	c := r.cases("packets")[0]
	disturb := func(round int) {
		for i, p := range r.Packets {
			if p.Case == c && p.Server == contender.Parley && p.Round == round {
				r.Packets[i].Others, r.Packets[i].CPU = 1, 1000
			}
		}
	}
	disturb(0)
	if got := r.find(c, contender.Parley); len(got) != 1 || got[0].Round != 1 || r.ratio(c, contender.Parley, contender.Coturn) != 0.5 {
		t.Errorf("got %+v", got)
	}
	disturb(1)
	if got := r.find(c, contender.Parley); len(got) != 2 {
		t.Errorf("where all are: got %+v", got)
	}
	var out bytes.Buffer
	if err := r.Tables(&out); err != nil || strings.Count(out.String(), "other programs kept 1.0 processors busy") != 2 {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestMedian(t *testing.T) {
	for name, test := range map[string]struct {
		values []float64
		want   float64
	}{
		"of none":  {nil, 0},
		"of one":   {[]float64{3}, 3},
		"of two":   {[]float64{3, 5}, 4},
		"of three": {[]float64{9, 1, 2}, 2},
	} {
		if got := Median(test.values, func(v float64) float64 { return v }); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestTablesTellAll(t *testing.T) {
	var out bytes.Buffer
	if err := sample().Tables(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"not measured: packets on virtual Ethernet: no root", "8.000", "160 kpps", "MISSED", "reached", "21234"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing of %q:\n%s", want, &out)
		}
	}
}

func TestReadmeIsWrittenBetweenItsMarkers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + beginMark + "\nold\n" + endMark + "\nafter\n")
	for range 2 {
		if err := sample().UpdateReadme(path); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if !strings.HasPrefix(got, "before\n"+beginMark+"\n") || !strings.HasSuffix(got, endMark+"\nafter\n") || strings.Contains(got, "old") {
		t.Errorf("got\n%s", got)
	}
	for _, want := range []string{
		"| | Parley | coturn | pion/turn |\n|---|---|---|---|\n",
		"| CPU for a packet: 80,000 a second, bursts of 8 | 0.50 | 1 | 1.60 (8.0 % lost) |\n",
		"| lost at the first rate at which coturn loses 0.1 %, 160,000 a second | 0.000 % | 1.000 % | – |\n",
		"| allocations made in a second of CPU | 21,200 |",
		"- not reached: CPU at 10000 allocations by that at 10, 1.4, wanted ≤ 1.3\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing of %q:\n%s", want, got)
		}
	}
	write("no markers")
	if err := sample().UpdateReadme(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	text, err := sample().plot()
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int)
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if start, ok := token.(xml.StartElement); ok {
			counts[start.Name.Local]++
		}
	}
	if counts["circle"] != 9 { // three servers, two rates of singles, one of bursts
		t.Errorf("%d points, want 9\n%s", counts["circle"], text)
	}
	if n := strings.Count(text, `class="pion hollow"`); n != 1 {
		t.Errorf("%d points of losses, want 1", n)
	}
	if !strings.Contains(text, "prefers-color-scheme: dark") || strings.Contains(text, "NaN") {
		t.Errorf("got %s", text)
	}
	if _, err := (&Results{}).plot(); err == nil {
		t.Error("there is a plot of nothing")
	}
}
