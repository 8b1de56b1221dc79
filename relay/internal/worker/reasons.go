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

// add counts one event.
func (r *reasons) add(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = make(map[string]uint64)
	}
	r.counts[reason]++
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
