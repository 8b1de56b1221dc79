//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
)

// most is how much of what coturn holds for an allocation Parley may.
const most = 0.5

// report writes a table of medians.
func report(out io.Writer, n int, results map[contender.Kind][]held) error {
	if _, err := fmt.Fprintf(out, "memory of %d idle UDP allocations, medians\n\n", n); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	cell := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format, args...) } // Flush tells
	cell("server\tMB before\tMB after\tKB each\tof coturn's\tKB of the kernel each\tmade per CPU-second\t\n")
	reference := median(results[contender.Kinds[0]], func(h held) float64 { return h.Resident })
	for _, kind := range contender.Kinds {
		rounds := results[kind]
		if len(rounds) == 0 {
			continue
		}
		each := median(rounds, func(h held) float64 { return h.Resident })
		cell("%s\t%.1f\t%.1f\t%.1f\t", kind, median(rounds, func(h held) float64 { return h.Before }),
			median(rounds, func(h held) float64 { return h.After }), each)
		if reference > 0 {
			cell("%.2f\t", each/reference)
		} else {
			cell("–\t")
		}
		if kernel := median(rounds, func(h held) float64 { return h.Kernel }); kernel >= 0 {
			cell("%.1f\t", kernel)
		} else {
			cell("–\t")
		}
		cell("%.0f\t\n", median(rounds, func(h held) float64 { return h.PerCPU }))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if each := median(results[contender.Parley], func(h held) float64 { return h.Resident }); reference > 0 && each > 0 {
		verdict := "reached"
		if each > most*reference {
			verdict = "missed"
		}
		_, err := fmt.Fprintf(out, "\nat most %.2f of coturn's: %s (%.2f)\n", most, verdict, each/reference)
		return err
	}
	return nil
}

// median returns the median of a figure over rounds, or 0 if there is none.
func median(rounds []held, of func(held) float64) float64 { return medianOf(rounds, of) }

func medianOf[R any](rounds []R, of func(R) float64) float64 {
	if len(rounds) == 0 {
		return 0
	}
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = of(r)
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
