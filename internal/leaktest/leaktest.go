// Package leaktest fails a test binary, or a single test, that leaves goroutines behind.
//
// A package with goroutines uses it once:
//
//	func TestMain(m *testing.M) { leaktest.Main(m) }
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines that are on their way out may take.
const patience = 5 * time.Second

// Main runs the tests and exits with their code, or with 1 and the stacks on stderr if goroutines
// that the tests started are still there a few seconds later.
func Main(m *testing.M) {
	before := ids(goroutines())
	code := m.Run()
	if left := settle(before); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "leaktest: %d goroutines left behind:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// Check fails the test if goroutines that did not exist when Check was called are still running
// when the test and the cleanups registered after Check have ended. It must not be used in a test
// that runs in parallel with others.
func Check(t testing.TB) {
	t.Helper()
	before := ids(goroutines())
	t.Cleanup(func() {
		if left := settle(before); len(left) > 0 {
			t.Errorf("%d goroutines left behind:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
}

// settle returns the stacks of the goroutines not in before once there are none or patience ends.
func settle(before map[string]bool) []string {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		var left []string
		for _, stack := range goroutines() {
			if !before[id(stack)] {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}

// goroutines returns the stack of every goroutine but the caller's and those the Go runtime and the
// testing package keep for themselves.
func goroutines() []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := strings.Split(strings.TrimSpace(string(buf)), "\n\n")
	stacks := all[:0]
	for _, stack := range all[1:] { // the first is the caller's
		if !housekeeping(stack) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// housekeeping reports whether a goroutine belongs to the runtime or to the testing package.
func housekeeping(stack string) bool {
	if strings.Contains(stack, "\ntesting.tRunner(") {
		return false // a test's own goroutine; the caller knows which ones were there before
	}
	for _, frame := range []string{
		"\ncreated by runtime",
		"\ncreated by testing.",
		"\ntesting.(*M).Run(",
		"\nos/signal.signal_recv(",
		"\nos/signal.loop(",
		"\nruntime.ensureSigM",
		"\nruntime/trace.Start",
	} {
		if strings.Contains(stack, frame) {
			return true
		}
	}
	return false
}

func ids(stacks []string) map[string]bool {
	known := make(map[string]bool, len(stacks))
	for _, stack := range stacks {
		known[id(stack)] = true
	}
	return known
}

// id returns "goroutine 17" from a stack's first line.
func id(stack string) string {
	head, _, _ := strings.Cut(stack, " [")
	return head
}
