//go:build linux

package gauge

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestParsePSS(t *testing.T) {
	const rollup = "00400000-7ffe75d8c000 ---p 00000000 00:00 0                      [rollup]\n" +
		"Rss:               12604 kB\nPss:                8821 kB\nPss_Dirty:          4000 kB\nPss_Anon:           3996 kB\n"
	for name, c := range map[string]struct {
		text string
		want int64
		err  string
	}{
		"as Linux writes it":   {rollup, 8821 << 10, ""},
		"without the line":     {"Rss:               12604 kB\n", 0, "there is no Pss line"},
		"in another unit":      {"Pss:                8821 MB\n", 0, "not a size"},
		"without a number":     {"Pss:                 kB\n", 0, "not a size"},
		"of a process's ghost": {"", 0, "there is no Pss line"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parsePSS(strings.NewReader(c.text))
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %d, %v; want %d, %q", got, err, c.want, c.err)
			}
		})
	}
}

func TestPSSCountsMemoryThatIsUsed(t *testing.T) {
	const size = 64 << 20
	before, err := PSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		memory[i] = 1
	}
	after, err := PSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(memory)
	if grown := after - before; grown < size*9/10 || grown > size*3 { // the race detector has as much again
		t.Errorf("%d bytes were used, and the PSS grew by %d", size, grown)
	}
}

// Children that are busy and idle for a while: a clock of another process, whatever else the machine does.
func TestCPUOfAnotherProcess(t *testing.T) {
	for name, c := range map[string]struct {
		script      string
		least, most time.Duration
	}{
		"one that works": {"while :; do :; done", 200 * time.Millisecond, time.Hour},
		"one that waits": {"exec sleep 60", 0, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", c.script)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}()
			var used time.Duration
			for start := time.Now(); time.Since(start) < 500*time.Millisecond || used < c.least && time.Since(start) < 20*time.Second; {
				time.Sleep(20 * time.Millisecond)
				var err error
				if used, err = CPU(cmd.Process.Pid); err != nil {
					t.Fatal(err)
				}
			}
			if used < c.least || used > c.most {
				t.Errorf("it used %v, want %v to %v", used, c.least, c.most)
			}
		})
	}
}

func TestOfNoProcess(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if d, err := CPU(cmd.Process.Pid); err == nil {
		t.Errorf("CPU: got %v and no error", d)
	}
	if n, err := PSS(cmd.Process.Pid); err == nil {
		t.Errorf("PSS: got %d and no error", n)
	}
}
