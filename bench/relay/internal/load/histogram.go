//go:build linux

package load

import (
	"math/bits"
	"time"
)

// fine is the number of bits of a duration that count below its first: 1/64 is the error.
const fine = 6

// Histogram counts durations in steps of 1.6 %, so that any number of them takes little memory.
type Histogram struct {
	counts [(64 - fine + 1) << fine]uint32
	total  int
}

// Add counts one.
func (h *Histogram) Add(d time.Duration) {
	h.counts[slot(uint64(max(d, 0)))]++
	h.total++
}

// Reset forgets all.
func (h *Histogram) Reset() { *h = Histogram{} }

// Quantile returns the duration that a share q of them does not exceed; 0 if there is none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := min(int(q*float64(h.total)), h.total-1)
	for i, n := range h.counts {
		if rank -= int(n); rank < 0 {
			return time.Duration(least(i))
		}
	}
	return 0
}

// slot returns where v is counted: by its first bit that is set, and those after it.
func slot(v uint64) int {
	shift := max(bits.Len64(v)-fine-1, 0)
	return shift<<fine + int(v>>shift)
}

// least returns the least value that is counted there.
func least(i int) uint64 {
	if i < 2<<fine {
		return uint64(i)
	}
	shift := i>>fine - 1
	return uint64(i-shift<<fine) << shift
}
