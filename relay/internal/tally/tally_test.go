package tally

import (
	"sync"
	"testing"
)

func TestCountsAddUp(t *testing.T) {
	var counters Tally
	if got := counters.Drops.Snapshot(); got == nil || len(got) != 0 {
		t.Errorf("a new tally has drops %v, want an empty map", got)
	}
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range 100 {
				counters.ToPeers.Add(3)
				counters.Drops.Add("full")
			}
		})
	}
	group.Wait()
	if packets, bytes := counters.ToPeers.Sum(); packets != 1000 || bytes != 3000 {
		t.Errorf("sum is %d packets, %d bytes, want 1000 and 3000", packets, bytes)
	}
	snapshot := counters.Drops.Snapshot()
	counters.Drops.Add("full")
	if snapshot["full"] != 1000 {
		t.Errorf("snapshot has %d, want 1000 still", snapshot["full"])
	}
}
