package tally

import (
	"maps"
	"slices"
	"sync"
	"testing"
)

func TestCountsAddUpByName(t *testing.T) {
	c := NewCounts("other", "a", "b", "other")
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range 100 {
				c.Add("a", 1)
				c.Add("made up", 2)
				c.Of("b").Add(1)
			}
		})
	}
	group.Wait()
	c.Add("b", -1)
	want := map[string]int64{"a": 1000, "b": 999, "other": 2000}
	if got := c.Snapshot(); !maps.Equal(got, want) {
		t.Errorf("counts are %v, want %v", got, want)
	}
	if got := c.Sum(); got != 3999 {
		t.Errorf("sum is %d, want 3999", got)
	}
}

func TestAHistogramPutsValuesWhereTheyBelong(t *testing.T) {
	h := NewHistogram(1, 10, 100)
	for _, v := range []float64{0, 1, 1.5, 10, 11, 1000, 2000} {
		h.Observe(v)
	}
	bounds, counts, sum := h.Snapshot()
	if !slices.Equal(bounds, []float64{1, 10, 100}) || !slices.Equal(counts, []uint64{2, 2, 1, 2}) || sum != 3023.5 {
		t.Errorf("got %v %v %v", bounds, counts, sum)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	c, h := NewCounts("b", "a"), NewHistogram(1, 10)
	if n := testing.AllocsPerRun(100, func() {
		c.Add("a", 1)
		h.Observe(3)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
