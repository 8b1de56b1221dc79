package mesh

import (
	"math"
	"time"
)

const (
	patience = time.Second // what is missing is waited for so long,
	heldMost = 64          // while so many messages wait,
	sizeMost = 1 << 20     // and so many bytes
)

// Options is how messages of a channel are handed over.
type Options struct {
	Unordered  bool
	LatestOnly bool
	Lossy      bool // some may be lost
}

// order takes the numbers of what one origin sent on one channel, which comes over several ways: each is delivered once, in order.
type order struct {
	options Options
	after   func(time.Duration, func()) (cancel func())
	skipped func() // called before what follows on something that is not waited for any more

	next  uint64 // all before it were had, or are given up
	known bool   // next is: it is not the next one that comes
	held  map[uint64]*held
	size  int // bytes that are held
	waits bool
}

type held struct {
	size    int
	deliver func() // nil: it was delivered already
}

func (o *order) isNew(n uint32) bool { return uint64(n) >= o.next && o.held[uint64(n)] == nil }

// leap takes note that some may be missing for good: none of those before the next one that comes is waited for.
func (o *order) leap() { o.known = false }

// take takes the message of a number that is new; it delivers it now or, where one before it is missing, later.
func (o *order) take(number uint32, size int, deliver func()) {
	n := uint64(number)
	now := o.options.Unordered || o.options.LatestOnly
	if !o.known && len(o.held) == 0 || o.options.LatestOnly {
		o.next = n
	}
	o.known = true
	if o.held == nil {
		o.held = map[uint64]*held{}
	}
	if now {
		o.held[n] = &held{}
		deliver()
	} else {
		o.held[n] = &held{size, deliver}
		o.size += size
	}
	o.advance()
	for len(o.held) > heldMost || len(o.held) > 0 && o.size > sizeMost {
		o.skip()
	}
	o.wait()
}

func (o *order) wait() {
	if len(o.held) == 0 || o.waits {
		return
	}
	o.waits = true
	o.after(patience, func() {
		o.waits = false
		if len(o.held) > 0 {
			o.skip()
		}
		o.wait()
	})
}

// skip gives up what is missing before the first that waits.
func (o *order) skip() {
	first := uint64(math.MaxUint64)
	for n := range o.held {
		first = min(first, n)
	}
	o.next = first
	o.skipped()
	o.advance()
}

func (o *order) advance() {
	for h := o.held[o.next]; h != nil; h = o.held[o.next] {
		delete(o.held, o.next)
		o.next++
		o.size -= h.size
		if h.deliver != nil {
			h.deliver()
		}
	}
}
