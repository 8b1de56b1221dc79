package tally

import (
	"math"
	"sort"
	"sync/atomic"
)

// Histogram counts values by how large they are.
type Histogram struct {
	bounds  []float64 // rising; never changed
	buckets []atomic.Uint64
	sum     atomic.Uint64 // bits of a float64
}

// NewHistogram returns one whose buckets end at these values, each included; one more has what is above.
func NewHistogram(bounds ...float64) *Histogram {
	return &Histogram{bounds: bounds, buckets: make([]atomic.Uint64, len(bounds)+1)}
}

// Observe counts a value.
func (h *Histogram) Observe(v float64) {
	h.buckets[sort.SearchFloat64s(h.bounds, v)].Add(1)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// Snapshot returns the upper ends of the buckets, how many values each has, the one without an
// end last, and the sum of the values.
func (h *Histogram) Snapshot() (bounds []float64, counts []uint64, sum float64) {
	counts = make([]uint64, len(h.buckets))
	for i := range h.buckets {
		counts[i] = h.buckets[i].Load()
	}
	return h.bounds, counts, math.Float64frombits(h.sum.Load())
}
