package leaktest

import (
	"strings"
	"testing"
)

func TestSettleFindsWhatWasLeftBehind(t *testing.T) {
	before := ids(goroutines())
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-stop
	}()

	var left []string
	for _, stack := range goroutines() {
		if !before[id(stack)] {
			left = append(left, stack)
		}
	}
	if len(left) != 1 || !strings.Contains(left[0], "TestSettleFindsWhatWasLeftBehind") {
		t.Errorf("new goroutines = %q, want the one this test started", left)
	}

	close(stop)
	<-done
	if left := settle(before); len(left) != 0 {
		t.Errorf("after it ended, left = %q, want none", left)
	}
}

func TestCheckAcceptsATestThatCleansUp(t *testing.T) {
	Check(t)
	done := make(chan struct{})
	go close(done)
	<-done
}

func TestMain(m *testing.M) { Main(m) }
