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
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
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

// turn builds cmd/turn.
func turn(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "turn")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/parley-rtc/parley/cmd/turn").CombinedOutput(); err != nil {
		t.Fatalf("build cmd/turn: %v\n%s", err, out)
	}
	return binary
}

// measured runs the bench for a moment, and returns what it says. On a machine that is busy, nothing of a load may arrive in so
// short a time: that is tried again.
func measured(t *testing.T, args ...string) string {
	t.Helper()
	for try := 1; ; try++ {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"-rounds=1", "-for=100ms", "-tries=1"}, args...), &out)
		if err == nil {
			return out.String()
		}
		if try == 3 || !strings.Contains(err.Error(), "nothing arrived") {
			t.Fatalf("%v\n%s", err, &out)
		}
	}
}

func TestBench(t *testing.T) {
	binary := turn(t)
	// What they say is looked at, not how much it is: so they may disturb each other.
	t.Run("measures every server", func(t *testing.T) {
		t.Parallel()
		everyServer(t, binary)
	})
	t.Run("measures every part", func(t *testing.T) {
		t.Parallel()
		everyPart(t, binary)
	})
}

func everyServer(t *testing.T, binary string) {
	out := measured(t, "-turn="+binary, "-only=memory,streams", "-n=50", "-settle=200ms")
	for _, kind := range contender.Kinds {
		name := regexp.QuoteMeta(string(kind))
		row := regexp.MustCompile(`(?m)^ *` + name + `( +-?[0-9.]+){3}( +-?[0-9.–]+) +[1-9][0-9]*$`)
		if !row.MatchString(out) {
			t.Errorf("no row of memory for %s:\n%s", kind, out)
		}
		for _, transport := range []string{"tcp", "tls"} {
			row := regexp.MustCompile(`(?m)^` + transport + `,[^\n]*\n[^\n]*\n( [^\n]*\n){0,2}? *` + name + ` +[1-9][^\n]*[0-9]$`)
			if !row.MatchString(out) {
				t.Errorf("no row of packets over %s for %s:\n%s", transport, kind, out)
			}
		}
	}
}

func everyPart(t *testing.T, binary string) {
	dir := t.TempDir()
	results, plot := filepath.Join(dir, "results.json"), filepath.Join(dir, "plot.svg")
	out := measured(t, "-turn="+binary, "-only=packets,growth,veth", "-servers=parley", "-most=100", "-json="+results)
	for _, want := range []string{"udp, 6 kpps, singles, 1000 bytes, channels, 50 allocations\n", "figures to reach", "CPU at 100 allocations by that at 10", " no relay "} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing of %q:\n%s", want, out)
		}
	}
	if veth, err := lab.Veth(); err != nil {
		if !strings.Contains(out, "no packets on virtual Ethernet: "+err.Error()) {
			t.Errorf("nothing of %v:\n%s", err, out)
		}
	} else {
		veth.Close()
		if !strings.Contains(out, string(contender.Unmerged)) {
			t.Errorf("nothing of virtual Ethernet:\n%s", out)
		}
	}
	again := measured(t, "-from="+results, "-svg="+plot)
	if !strings.HasSuffix(out, again) {
		t.Errorf("from the results:\n%s\nwhen they were measured:\n%s", again, out)
	}
	if _, err := os.Stat(plot); err != nil {
		t.Error(err)
	}
	out = measured(t, "-turn="+binary, "-only=ladder", "-servers=coturn,parley")
	if !regexp.MustCompile(`(?m)^round 1: .*kpps(.*\n)+? *probe of coturn +20 (.*\n)+? *coturn +[1-9](.*\n)+? *parley +[1-9]`).MatchString(out) {
		t.Errorf("no ladder:\n%s", out)
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	for name, args := range map[string][]string{
		"-n":         {"-n=100000"},
		"-most":      {"-most=1"},
		"-rounds":    {"-rounds=0"},
		"-servers":   {"-servers=coturn,another"},
		"-only":      {"-only=speed"},
		"-for":       {"-for=1ms"},
		"-tries":     {"-tries=0"},
		"-settle":    {"-settle=-1s"},
		"-soak":      {"-soak=1s", "-turn=" + os.Args[0]},
		"-soak-rate": {"-soak=1h", "-soak-rate=0", "-turn=" + os.Args[0]},
		"-turn":      {"-turn=" + filepath.Join(t.TempDir(), "turn")},
		"-from":      {"-from=" + filepath.Join(t.TempDir(), "none.json")},
	} {
		err := run(t.Context(), args, &bytes.Buffer{})
		if err == nil || !strings.HasPrefix(err.Error(), name+":") {
			t.Errorf("%v: got %v", args, err)
		}
	}
}

func TestTimeIsTold(t *testing.T) {
	program := "-turn=" + os.Args[0] // any that is there
	o, err := parse([]string{program})
	if err != nil {
		t.Fatal(err)
	}
	all := o.expected(o.suites(nil))
	if all < 5*time.Minute || all > 13*time.Minute {
		t.Errorf("all takes %v", all)
	}
	if o, err = parse([]string{program, "-only=streams", "-rounds=1"}); err != nil || o.expected(o.suites(nil)) > all/10 {
		t.Errorf("a part takes %v, all %v, %v", o.expected(o.suites(nil)), all, err)
	}
}
