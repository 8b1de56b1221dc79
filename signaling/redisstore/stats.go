package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/parley-rtc/parley/signaling/internal/tally"
)

// Stats counts what a store has asked of Redis since it was opened. Its maps have the same keys whatever happens.
type Stats struct {
	Up     bool              // every server with rooms that are served here answered within the last seconds
	Steps  Histogram         // seconds that steps took, each of them one script; those that failed, too
	Errors map[string]uint64 // steps and subscriptions that failed, by reason; see docs/operations.md
}

// Histogram tells how often values of a size were seen.
type Histogram struct {
	Bounds []float64 // upper ends of the buckets, included
	Counts []uint64  // one for each bucket, and one for what is above them all
	Sum    float64   // of the values
}

// counts are what Stats is made of.
type counts struct {
	steps  *tally.Histogram
	errors *tally.Counts
}

func newCounts() counts {
	return counts{
		steps:  tally.NewHistogram(.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5),
		errors: tally.NewCounts(reasonOther, reasons...),
	}
}

// failed counts an error, and says what it means. That somebody did not wait for the answer is none of Redis's.
func (c *counts) failed(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	reason, plain := explain(err)
	c.errors.Add(reason, 1)
	return plain
}

func (c *counts) took(d time.Duration) { c.steps.Observe(d.Seconds()) }

// Stats returns the counts as they are now.
func (s *Store) Stats() Stats {
	bounds, counts, sum := s.counts.steps.Snapshot()
	stats := Stats{Up: true, Steps: Histogram{Bounds: bounds, Counts: counts, Sum: sum}, Errors: make(map[string]uint64)}
	for reason, n := range s.counts.errors.Snapshot() {
		stats.Errors[reason] = uint64(n)
	}
	for i := range s.partitions {
		stats.Up = stats.Up && s.partitions[i].pulse.answers()
	}
	return stats
}
