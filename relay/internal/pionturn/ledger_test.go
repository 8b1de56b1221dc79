package pionturn

import (
	"errors"
	"testing"
)

func TestLedger(t *testing.T) {
	l := newLedger(2, 3)
	steps := []struct {
		what    string
		account string // enters; "-x" lets x leave
		want    error
	}{
		{"the first of alice", "alice", nil},
		{"the second of alice", "alice", nil},
		{"one too many of alice", "alice", errQuota},
		{"the first of bob fills the relay", "bob", nil},
		{"no room for bob", "bob", errCapacity},
		{"one of alice's ends", "-alice", nil},
		{"so there is room for bob", "bob", nil},
		{"and none for alice", "alice", errCapacity},
	}
	for _, step := range steps {
		if step.account[0] == '-' {
			l.leave(step.account[1:])
			continue
		}
		check, enter := l.check(step.account), l.enter(step.account)
		if !errors.Is(enter, step.want) || !errors.Is(check, step.want) {
			t.Errorf("%s: enter %v, check %v, want %v", step.what, enter, check, step.want)
		}
	}
	if got := l.live(); got != 3 {
		t.Errorf("live = %d, want 3", got)
	}
}

func TestLedgerDrains(t *testing.T) {
	l := newLedger(2, 3)
	if err := l.enter("alice"); err != nil {
		t.Fatal(err)
	}
	empty := l.drain()
	select {
	case <-empty:
		t.Fatal("empty with one allocation live")
	default:
	}
	if err := l.enter("bob"); !errors.Is(err, errDraining) {
		t.Errorf("enter while draining: %v, want errDraining", err)
	}
	l.leave("alice")
	<-empty
	<-l.drain() // again is fine

	none := newLedger(1, 1)
	<-none.drain()
}
