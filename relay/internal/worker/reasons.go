package worker

import (
	"maps"
	"sync"
)

// reasons counts events by a word for why they happened.
type reasons struct {
	mu     sync.Mutex
	counts map[string]uint64 // guarded by mu
}

// add counts events.
func (r *reasons) add(reason string, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = make(map[string]uint64)
	}
	r.counts[reason] += n
}

// snapshot returns a copy of the counts, never nil.
func (r *reasons) snapshot() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		return map[string]uint64{}
	}
	return maps.Clone(r.counts)
}
