//go:build linux

package soak

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// leastSamples is how many a verdict wants, four for each quarter.
const leastSamples = 16

// Bounds of what counts as flat: the median of the last quarter may be above that of the second by a share of it, or by so much.
var bounds = []struct {
	name  string
	unit  string
	of    func(Sample) float64
	share float64
	least float64
}{
	{"resident memory", "MB", func(s Sample) float64 { return s.Resident / 1e6 }, 0.05, 4},
	{"Go's heap", "MB", func(s Sample) float64 { return s.Heap / 1e6 }, 0.10, 4},
	{"goroutines", "", func(s Sample) float64 { return s.Goroutines }, 0.05, 10},
	{"descriptors", "", func(s Sample) float64 { return s.Descriptors }, 0.10, 30},
	{"descriptors, allocations aside", "", func(s Sample) float64 { return s.Descriptors - s.Allocations }, 0.05, 15},
}

// Trend is how one quantity went.
type Trend struct {
	Name, Unit  string
	Early, Late float64 // medians of the second and of the last quarter
	Slope       float64 // per hour, from the second quarter on
	Bound       float64 // how much Late may be above Early
}

// Flat reports whether it did not grow.
func (t Trend) Flat() bool { return t.Late-t.Early <= t.Bound }

// Trends judges samples that were taken at even intervals.
func Trends(samples []Sample) ([]Trend, error) {
	if len(samples) < leastSamples {
		return nil, fmt.Errorf("%d samples are too few for a verdict, %d are needed", len(samples), leastSamples)
	}
	quarter := len(samples) / 4
	second, last := samples[quarter:2*quarter], samples[len(samples)-quarter:]
	var trends []Trend
	for _, b := range bounds {
		early := medianOf(second, b.of)
		trends = append(trends, Trend{
			Name: b.name, Unit: b.unit, Early: early, Late: medianOf(last, b.of),
			Slope: slope(samples[quarter:], b.of), Bound: max(b.share*early, b.least),
		})
	}
	return trends, nil
}

// write tells people.
func (t Trend) write(out io.Writer) {
	verdict := "flat"
	if !t.Flat() {
		verdict = "GROWS"
	}
	unit := t.Unit
	if unit != "" {
		unit = " " + unit
	}
	_, _ = fmt.Fprintf(out, "%-31s %s: %.1f%s in the second quarter, %.1f in the last (%+.1f; up to %+.1f is flat), slope %+.2f%s an hour\n",
		t.Name, verdict, t.Early, unit, t.Late, t.Late-t.Early, t.Bound, t.Slope, unit)
}

func medianOf(samples []Sample, of func(Sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// slope is that of the straight line with the least squares, per hour.
func slope(samples []Sample, of func(Sample) float64) float64 {
	var x, y, xx, xy float64
	n := float64(len(samples))
	for _, s := range samples {
		hours := s.At.Hours()
		x += hours
		y += of(s)
		xx += hours * hours
		xy += hours * of(s)
	}
	if d := n*xx - x*x; d != 0 {
		return (n*xy - x*y) / d
	}
	return 0
}

// steady is when what is abandoned has begun to end as often as it is made: allocations live for ten minutes at least.
const steady = 40 * time.Minute
