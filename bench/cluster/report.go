//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report prints the medians, and what is to be reached of them, and writes the tables of files that have markers.
func (b *bench) report(scenarios []string) error {
	for _, name := range scenarios {
		b.section(name)
	}
	fmt.Fprintln(b.out, "\nFigures")
	for _, f := range b.figures() {
		fmt.Fprintln(b.out, " ", f)
	}
	for _, line := range b.limits() {
		fmt.Fprintln(b.out, " ", line)
	}
	if b.tables == "" {
		return nil
	}
	return b.writeTables(b.tables)
}

// section prints the medians of a scenario, a column for each setup.
func (b *bench) section(scenario string) {
	fmt.Fprintf(b.out, "\n%s\n", scenario)
	table := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\t")
	for _, in := range allSetups {
		fmt.Fprint(table, in, "\t")
	}
	fmt.Fprintln(table)
	for _, what := range b.book.Order {
		name, of := strings.CutPrefix(what, scenario+"/")
		if !of {
			continue
		}
		fmt.Fprint(table, name, "\t")
		for _, in := range allSetups {
			fmt.Fprint(table, b.cell(what, in), "\t")
		}
		fmt.Fprintln(table)
	}
	_ = table.Flush() // to where everything else is printed
}

func (b *bench) cell(what string, in setup) string {
	v, ok := b.book.get(what, in)
	if !ok {
		return "–"
	}
	return number(v)
}

// number writes a result with as many digits as it deserves.
func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// figure is something to be reached.
type figure struct {
	what      string
	got, want float64
	atLeast   bool // otherwise at most
	unit      string
}

func (f figure) holds() bool {
	if f.atLeast {
		return f.got >= f.want
	}
	return f.got <= f.want
}

func (f figure) String() string {
	sign, verdict := "≤", "holds"
	if f.atLeast {
		sign = "≥"
	}
	if !f.holds() {
		verdict = "MISSED"
	}
	return fmt.Sprintf("%-70s %8s%s  %s %-5.4g  %s", f.what, number(f.got), f.unit, sign, f.want, verdict)
}

// figures are what is to be reached, as far as it was measured.
func (b *bench) figures() (all []figure) {
	// add enters one made of several results, if all of them are there.
	add := func(f figure, of func(values []float64) float64, results ...func() (float64, bool)) {
		var values []float64
		for _, result := range results {
			v, ok := result()
			if !ok {
				return
			}
			values = append(values, v)
		}
		f.got = of(values)
		all = append(all, f)
	}
	at := func(what string, in setup) func() (float64, bool) {
		return func() (float64, bool) { return b.book.get(what, in) }
	}
	ratio := func(v []float64) float64 { return v[0] / v[1] }
	for _, load := range b.loads() {
		cpu := "pair/" + load + ", node CPU a frame, µs"
		add(figure{what: load + ": frames per CPU-second of the node on Redis, by in memory", want: 0.5, atLeast: true, unit: " ×"}, ratio, at(cpu, inMemory), at(cpu, oneNode))
		add(figure{what: load + ": node CPU a frame with two nodes, by one", want: 1.1, unit: " ×"}, ratio, at(cpu, twoNodes), at(cpu, oneNode))
	}
	for _, load := range b.loads()[min(1, len(b.loads())):] {
		p99 := "pair/" + load + ", p99, ms"
		minus := func(v []float64) float64 { return v[0] - v[1] }
		add(figure{what: load + ": p99 on Redis, more than in memory", want: 3, unit: " ms"}, minus, at(p99, oneNode), at(p99, inMemory))
	}
	if loads := b.loads(); len(loads) > 1 {
		same := func(v []float64) float64 { return v[0] }
		add(figure{what: loads[1] + ": scripts a frame, from end to end", want: 2.05, unit: ""}, same, at("pair/"+loads[1]+", scripts a frame", oneNode))
	}
	add(figure{what: "Redis memory of an idle session in a room of two", want: 2048, unit: " B"}, func(v []float64) float64 { return v[0] }, at("memory/bytes of an idle session", oneNode))
	return all
}

// loads are those of the pairs that were measured, the saturated one first.
func (b *bench) loads() (names []string) {
	for _, what := range b.book.Order {
		if name, ok := strings.CutSuffix(what, ", node CPU a frame, µs"); ok {
			names = append(names, strings.TrimPrefix(name, "pair/"))
		}
	}
	slices.SortStableFunc(names, func(a, c string) int {
		if a == saturated {
			return -1
		}
		return 0
	})
	return names
}

// limits says what had no CPU time left where frames flowed as fast as they can, or whether a pace was not kept.
func (b *bench) limits() (lines []string) {
	for _, load := range b.loads() {
		for _, in := range allSetups {
			used := func(of string) float64 {
				v, _ := b.book.get("pair/"+load+", cores of "+of, in)
				return v
			}
			nodes, redis, generator := used("the nodes"), used("Redis"), used("the generator")
			var full []string
			const most = 0.9 // of a core
			for _, c := range []struct {
				what  string
				cores float64
			}{{"the nodes", nodes}, {"Redis", redis}, {"the generator", generator}, {"Redis and the generator together", redis + generator}} {
				if c.cores >= most && (c.what[0] != 'R' || len(full) == 0) {
					full = append(full, c.what)
				}
			}
			if len(full) > 0 {
				lines = append(lines, fmt.Sprintf("%s, %s: %s used a core: the rate says no more than that", load, in, strings.Join(full, " and ")))
			}
		}
	}
	return lines
}
