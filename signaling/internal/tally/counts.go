package tally

import "sync/atomic"

// Counts counts events by a name out of a fixed list, so that what clients send cannot make it grow.
type Counts struct {
	byName map[string]*atomic.Int64 // never changed
	other  *atomic.Int64
}

// NewCounts returns counts by these names. Other is the one of them under which a name that is not on the list counts.
func NewCounts(other string, names ...string) *Counts {
	c := &Counts{byName: make(map[string]*atomic.Int64, len(names)), other: new(atomic.Int64)}
	for _, name := range names {
		c.byName[name] = new(atomic.Int64)
	}
	if listed := c.byName[other]; listed != nil {
		c.other = listed
	}
	c.byName[other] = c.other
	return c
}

// Add counts so many events; a number below zero takes them back.
func (c *Counts) Add(name string, n int64) { c.Of(name).Add(n) }

// Of returns the counter of a name, for where looking it up each time would cost too much.
func (c *Counts) Of(name string) *atomic.Int64 {
	if counter := c.byName[name]; counter != nil {
		return counter
	}
	return c.other
}

// Sum returns the sum of all.
func (c *Counts) Sum() (sum int64) {
	for _, counter := range c.byName {
		sum += counter.Load()
	}
	return sum
}

// Snapshot returns the counts as they are now; those at zero, too.
func (c *Counts) Snapshot() map[string]int64 {
	snapshot := make(map[string]int64, len(c.byName))
	for name, counter := range c.byName {
		snapshot[name] = counter.Load()
	}
	return snapshot
}
