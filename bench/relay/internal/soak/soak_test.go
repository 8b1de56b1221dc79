//go:build linux

package soak

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	leaktest.Main(m)
}

// hour returns samples of one, every ten seconds, whose memory is what f says.
func hour(f func(share float64) float64) []Sample {
	samples := make([]Sample, 360)
	for i := range samples {
		samples[i] = Sample{At: time.Duration(i+1) * 10 * time.Second, Resident: f(float64(i) / 360), Heap: 1e7, Goroutines: 70, Descriptors: 900, Allocations: 850}
	}
	return samples
}

func TestWhatGrowsIsSeen(t *testing.T) {
	for name, test := range map[string]struct {
		resident func(share float64) float64
		flat     bool
	}{
		"all the same":                  {func(float64) float64 { return 100e6 }, true},
		"growth while it fills":         {func(s float64) float64 { return 100e6 * min(1, 0.5+2*s) }, true},
		"a little growth":               {func(s float64) float64 { return 100e6 + 4e6*s }, true},
		"a leak":                        {func(s float64) float64 { return 100e6 + 20e6*s }, false},
		"a small process that doubles":  {func(s float64) float64 { return 15e6 + 15e6*s }, false},
		"one spike at the end":          {func(s float64) float64 { return 100e6 + map[bool]float64{true: 900e6}[s > 0.99] }, true},
		"less and less":                 {func(s float64) float64 { return 200e6 - 100e6*s }, true},
		"a step in the last of it, up":  {func(s float64) float64 { return 100e6 + map[bool]float64{true: 9e6}[s > 0.8] }, false},
		"up and down, around one value": {func(s float64) float64 { return 100e6 + 10e6*float64(int(s*360)%3) }, true},
	} {
		trends, err := Trends(hour(test.resident))
		if err != nil {
			t.Fatal(err)
		}
		for _, trend := range trends {
			want := trend.Name != "resident memory" || test.flat
			if trend.Flat() != want {
				t.Errorf("%s: %s is flat: %v, want %v (%+v)", name, trend.Name, trend.Flat(), want, trend)
			}
		}
	}
}

func TestSlopeIsPerHour(t *testing.T) {
	trends, err := Trends(hour(func(s float64) float64 { return 100e6 + 12e6*s }))
	if err != nil {
		t.Fatal(err)
	}
	if got := trends[0].Slope; got < 11.9 || got > 12.1 {
		t.Errorf("the slope is %v MB an hour, want 12", got)
	}
}

func TestTooFewSamplesAreNoVerdict(t *testing.T) {
	if _, err := Trends(hour(func(float64) float64 { return 1 })[:leastSamples-1]); err == nil {
		t.Error("there is a verdict")
	}
}

func TestMetricsAreAddedUp(t *testing.T) {
	got, err := parseMetrics(strings.NewReader("# HELP a is a\n# TYPE a gauge\na{of=\"this one\"} 1\na{of=\"that\"} 2.5e+01\n\ngo_goroutines 7\n"))
	if err != nil || got["a"] != 26 || got["go_goroutines"] != 7 || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	for name, text := range map[string]string{"no value": "metric", "no number": "metric one"} {
		if _, err := parseMetrics(strings.NewReader(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// turn builds cmd/turn.
func turn(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "turn")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/parley-rtc/parley/cmd/turn").CombinedOutput(); err != nil {
		t.Fatalf("build cmd/turn: %v\n%s", err, out)
	}
	return binary
}

// A soak is ended as soon as all was seen, however long that takes on a machine that is busy with others.
func TestRelayIsSoaked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "soak.csv")
	config := Config{
		Field: contender.Field{Turn: turn(t)}, For: 2 * time.Minute, Every: 100 * time.Millisecond, Rate: 1000, Clients: 20, File: file,
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var missing []string
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer stop()
		for missing = unseen(file); len(missing) > 0 && ctx.Err() == nil; missing = unseen(file) {
			time.Sleep(50 * time.Millisecond)
		}
	}()
	var out bytes.Buffer
	// Descriptors come with the clients, and so do not count here; what must hold is that all was seen.
	err := Run(ctx, config, &out)
	stop()
	<-watched
	if err != nil && !errors.Is(err, ErrVerdict) {
		t.Fatalf("%v\n%s", err, &out)
	}
	if len(missing) > 0 {
		t.Fatalf("nothing of %v, %v:\n%s", missing, err, &out)
	}
	for _, want := range []string{"resident memory", "goroutines", "descriptors", "packets: ", "clients: ", "processors busy: ", "verdict: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing of %q:\n%s", want, &out)
		}
	}
}

// unseen returns what a soak has not written down yet, of what it must.
func unseen(file string) (missing []string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return []string{err.Error()}
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1] // it may be writing
	lines, err := csv.NewReader(bytes.NewReader(whole)).ReadAll()
	if err != nil || len(lines) <= leastSamples {
		return []string{fmt.Sprintf("%d lines: %v", len(lines), err)}
	}
	most := make(map[string]float64)
	for _, line := range lines[1:] {
		for i, name := range lines[0] {
			value, err := strconv.ParseFloat(line[i], 64)
			if err != nil {
				return []string{fmt.Sprintf("%s is %q", name, line[i])}
			}
			most[name] = max(most[name], value)
		}
	}
	for _, name := range []string{"rss_bytes", "heap_bytes", "goroutines", "descriptors", "allocations", "clients", "made", "sent", "arrived"} {
		if most[name] <= 0 {
			missing = append(missing, name)
		}
	}
	return missing
}

func TestRelayThatEndsFails(t *testing.T) {
	config := Config{Field: contender.Field{Turn: "false"}, For: 2 * time.Second, Every: 100 * time.Millisecond, Rate: 10, Clients: 1, File: filepath.Join(t.TempDir(), "soak.csv")}
	if err := Run(t.Context(), config, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "parley has ended") {
		t.Errorf("got %v", err)
	}
}
