package signaling

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
)

// sequence hands out numbers from 0 up to, but not, 1, each of which falls into one of the widest gaps between those before.
// However many are taken, and that need not be known, they are spread evenly over the whole; those of chance
// would come in heaps. They are multiples of the golden ratio (Knuth, The Art of Computer Programming, section 6.4, theorem S).
type sequence struct {
	start float64 // random, so that several servers do not do everything at the same time
	count atomic.Uint64
}

func newSequence() *sequence { return &sequence{start: rand.Float64()} }

func (q *sequence) next() float64 {
	_, fraction := math.Modf(q.start + float64(q.count.Add(1))/math.Phi)
	return fraction
}
