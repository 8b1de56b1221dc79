//go:build linux

package gauge

import (
	"testing"
	"time"
)

func TestParseMachine(t *testing.T) {
	got, err := parseMachine("cpu  100 1 20 5000 300 4 5 0 0 0\ncpu0 1 2 3\n")
	if want := 1300 * time.Millisecond; got != want || err != nil {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, text := range []string{"", "cpu 1 2", "cpu0 1 2 3 4 5 6 7", "cpu 1 2 3 x 5 6 7 8"} {
		if _, err := parseMachine(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
