//go:build linux

package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) {
	// The bench starts itself as the server of pion/turn.
	if slices.Contains(os.Args, "-serve") {
		main()
		return
	}
	flag.Parse()
	leaktest.Main(m)
}

func TestEveryServerIsMeasured(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "turn")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/parley-rtc/parley/cmd/turn").CombinedOutput(); err != nil {
		t.Fatalf("build cmd/turn: %v\n%s", err, out)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-n=50", "-rounds=1", "-settle=500ms", "-for=200ms", "-turn=" + binary}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, kind := range contender.Kinds {
		row := regexp.MustCompile(`(?m)^ *` + string(kind) + `( +-?[0-9.]+){4}( +-?[0-9.–]+) +[1-9][0-9]*$`)
		if !row.Match(out.Bytes()) {
			t.Errorf("no row for %s:\n%s", kind, &out)
		}
		// Nothing but a load at which even a loaded machine loses nothing.
		row = regexp.MustCompile(`(?m)6 kpps(.*\n){1,3}? *` + string(kind) + `[^\n]*( +[0-9.–]+){6}$`)
		if !row.Match(out.Bytes()) {
			t.Errorf("no row of packets for %s:\n%s", kind, &out)
		}
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	for name, args := range map[string][]string{
		"-n":       {"-n=100000"},
		"-rounds":  {"-rounds=0"},
		"-servers": {"-servers=coturn,another"},
		"-only":    {"-only=speed"},
		"-for":     {"-for=1ms"},
	} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil || !regexp.MustCompile("^"+name+":").MatchString(err.Error()) {
			t.Errorf("%v: got %v", args, err)
		}
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
		var rounds []held
		for _, v := range test.values {
			rounds = append(rounds, held{Resident: v})
		}
		if got := median(rounds, func(h held) float64 { return h.Resident }); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
