// Package tally counts what a relay does. Everything in it may be used concurrently.
package tally

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Tally holds the counters of one relay. The zero value is ready.
type Tally struct {
	Allocated    atomic.Uint64 // allocations made, ever
	AuthFailures atomic.Uint64 // requests whose user or password was wrong
	ToPeers      Flow          // from clients, relayed to peers
	FromPeers    Flow          // from peers, relayed to clients
	Refusals     Reasons       // requests answered with an error
	Drops        Reasons       // packets that went nowhere
}

// Flow counts packets in one direction and the bytes they carried, without headers.
type Flow struct {
	packets, bytes atomic.Uint64
}

// Add counts one packet.
func (f *Flow) Add(payload int) {
	f.packets.Add(1)
	f.bytes.Add(uint64(payload))
}

// Sum returns the packets and bytes so far.
func (f *Flow) Sum() (packets, bytes uint64) { return f.packets.Load(), f.bytes.Load() }

// Reasons counts events by a word for why they happened.
type Reasons struct {
	mu     sync.Mutex
	counts map[string]uint64 // guarded by mu
}

// Add counts one event.
func (r *Reasons) Add(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = make(map[string]uint64)
	}
	r.counts[reason]++
}

// Snapshot returns a copy of the counts, never nil.
func (r *Reasons) Snapshot() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		return map[string]uint64{}
	}
	return maps.Clone(r.counts)
}
