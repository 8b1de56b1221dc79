//go:build linux

package soak

import (
	"errors"
	"fmt"
	"time"
)

// tell writes a line for those who watch.
func (s *sampler) tell(now Sample) {
	_, _ = fmt.Fprintf(s.out, "%8v  %.1f MB, %.0f goroutines, %.0f descriptors, %.0f allocations; %d made, %d failures; lost %.4f %%, p99 %v; CPU: relay %.2f, bench %.2f, machine %.2f\n",
		now.At.Round(time.Second), now.Resident/1e6, now.Goroutines, now.Descriptors, now.Allocations, now.Made, now.Failures,
		100*lost(now.Sent, now.Arrived), now.P99, now.ServerCPU, now.BenchCPU, now.MachineCPU)
}

func lost(sent, arrived int) float64 { return max(0, 1-float64(arrived)/float64(max(sent, 1))) }

// judge says what was seen, and whether that is good.
func (s *sampler) judge() error {
	counts := s.crowd.Take()
	trends, err := Trends(s.samples)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVerdict, err)
	}
	took := s.samples[len(s.samples)-1].At
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }
	say("\nsoak of %v, %d samples", took.Round(time.Second), len(s.samples))
	var faults []error
	for _, t := range trends {
		if t.write(s.out); !t.Flat() {
			faults = append(faults, fmt.Errorf("%s: %.1f more than in the second quarter, above %.1f", t.Name, t.Late-t.Early, t.Bound))
		}
	}
	loss := lost(counts.Sent, counts.Arrived)
	p99 := medianOf(s.samples, func(s Sample) float64 { return float64(s.P99) })
	worst := time.Duration(0)
	for _, sample := range s.samples {
		worst = max(worst, sample.P99)
	}
	share := func(of func(Sample) float64) float64 { return medianOf(s.samples, of) }
	say("packets: %d sent (%.0f a second), %d lost (%.4f %%); p99 of an interval %v, at worst %v",
		counts.Sent, float64(counts.Sent)/took.Seconds(), max(0, counts.Sent-counts.Arrived), 100*loss, time.Duration(p99), worst)
	say("clients: %d allocations made, %d refreshed, %d given back, %d abandoned; %d failures%s",
		counts.Made, counts.Refreshed, counts.GivenBack, counts.Abandoned, counts.Failures, because(counts.LastFailure))
	say("processors busy: relay %.2f, bench %.2f, the whole machine %.2f",
		share(func(s Sample) float64 { return s.ServerCPU }), share(func(s Sample) float64 { return s.BenchCPU }), share(func(s Sample) float64 { return s.MachineCPU }))
	if wanted := s.config.Rate * int(took/time.Millisecond) / 1000; counts.Unsent > wanted/100 {
		say("the bench had no time for %d packets: the machine was busy with other things", counts.Unsent)
	}
	if took < steady {
		say("note: abandoned allocations end after ten minutes, so in less than %v some growth is theirs", steady)
	}
	wanted := float64(s.config.Rate) * (took - starting).Seconds()
	if float64(counts.Sent) < leastSent*wanted {
		faults = append(faults, fmt.Errorf("%.0f %% of the load was sent: too little to tell", 100*float64(counts.Sent)/wanted))
	}
	if loss > mostLost {
		faults = append(faults, fmt.Errorf("%.2f %% of all packets were lost", 100*loss))
	}
	if requests := counts.Made + counts.Refreshed + counts.GivenBack; float64(counts.Failures) > mostWrong*float64(requests)+5 {
		faults = append(faults, fmt.Errorf("%d of %d requests failed, the last: %s", counts.Failures, requests, counts.LastFailure))
	}
	if len(faults) > 0 {
		say("verdict: FAILED")
		return fmt.Errorf("%w: %w", ErrVerdict, errors.Join(faults...))
	}
	say("verdict: passed, all flat")
	return nil
}

func because(failure string) string {
	if failure == "" {
		return ""
	}
	return ", the last: " + failure
}
