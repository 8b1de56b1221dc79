//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
)

// reportPath writes a table of medians.
func reportPath(out io.Writer, all []cell, results map[cell]map[contender.Kind][]carried) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format, args...) } // Flush tells
	row("\nserver\tµs of CPU\tof coturn's\tof the machine\tlost %%\tp50 µs\tp99 µs\t\n")
	for _, c := range all {
		row("%s\t\t\t\t\t\t\t\n", c)
		reference := medianOf(results[c][contender.Coturn], func(r carried) float64 { return r.CPU })
		for _, kind := range contender.Kinds {
			rounds := results[c][kind]
			if len(rounds) == 0 {
				continue
			}
			of := func(f func(carried) float64) float64 { return medianOf(rounds, f) }
			cpu := of(func(r carried) float64 { return r.CPU })
			ratio := "–"
			if reference > 0 {
				ratio = fmt.Sprintf("%.2f", cpu/reference)
			}
			note := ""
			if slices.ContainsFunc(rounds, func(r carried) bool { return r.Limit() != "" }) {
				note = " (the load could not be made)"
			}
			row("%s%s\t%.2f\t%s\t%.2f\t%.3f\t%.0f\t%.0f\t\n", kind, note, cpu, ratio,
				of(func(r carried) float64 { return r.Machine }), 100*of(func(r carried) float64 { return r.Lost() }),
				of(func(r carried) float64 { return micros(r.P50) }), of(func(r carried) float64 { return micros(r.P99) }))
		}
	}
	return table.Flush()
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
