//go:build linux

package main

import (
	"fmt"

	"github.com/parley-rtc/parley/bench/internal/contender"
)

// figure is something that Parley is to reach.
type figure struct {
	what     string
	got      float64
	want     float64
	atLeast  bool // otherwise at most
	unit     string
	measured bool
}

func (f figure) holds() bool {
	if f.atLeast {
		return f.got >= f.want
	}
	return f.got <= f.want
}

// figures are what Parley is to reach, as far as it was measured.
func (b *bench) figures() []figure {
	var all []figure
	most := func(what, result string, want float64, unit string) {
		got, ok := b.results.get(result, contender.Parley)
		all = append(all, figure{what, got, want, false, unit, ok})
	}
	n := b.idle[len(b.idle)-1]
	memory := func(link, what string) string { return fmt.Sprintf("idle/%s, %d, %s, KB", link, n, what) }
	most("idle WebSocket session, PSS", memory("WebSocket", "PSS"), 8, "KB")
	most("idle WebSocket session, PSS after a collection", memory("WebSocket", "PSS collected"), 8, "KB")
	most("idle WebSocket session, live", memory("WebSocket", "live"), 6, "KB")
	most("idle stream of events, PSS", memory("events", "PSS"), 10, "KB")
	most("parked long poll, PSS", memory("parked poll", "PSS"), 24, "KB")
	most("session between polls, PSS", memory("between polls", "PSS"), 3, "KB")

	const connect = "connect/CPU, µs"
	parley, ok := b.results.get(connect, contender.Parley)
	bare, bareOK := b.results.get(connect, contender.Bare)
	all = append(all, figure{"CPU per join with its WebSocket, over bare net/http and gorilla", parley / max(bare, 1e-9), 1.25, false, "×", ok && bareOK})
	_, rival, rivalOK := b.results.best(connect, false)
	all = append(all, figure{"CPU per join with its WebSocket, over the best rival's connect", parley / max(rival, 1e-9), 1, false, "×", ok && rivalOK})

	most("CPU per ping of a client", "ping/client's ping, CPU, µs", 60, "µs")
	most("CPU per ping of the server", "ping/server's ping, CPU, µs", 60, "µs")

	for _, size := range []int{candidate, offer} {
		name := fmt.Sprintf("pair/%d bytes, ", size)
		parley, ok := b.results.get(name+saturated+", frames per CPU-second", contender.Parley)
		_, rival, rivalOK := b.results.best(name+saturated+", frames per CPU-second", true)
		all = append(all, figure{fmt.Sprintf("pair relay, %d bytes, frames per CPU-second, over the best rival's", size), parley / max(rival, 1e-9), 2, true, "×", ok && rivalOK})
		most(fmt.Sprintf("pair relay, %d bytes, p99 at the load where the best rival saturates", size), name+atRivals+", p99, ms", 5, "ms")
	}
	return all
}

// printFigures says which figures hold, and by how much the others do not.
func (b *bench) printFigures() {
	fmt.Fprintf(b.out, "\nFigures (GOGC %s)\n", b.field.GOGC)
	for _, f := range b.figures() {
		if !f.measured {
			continue
		}
		sign, verdict := "≤", "holds"
		if f.atLeast {
			sign = "≥"
		}
		if !f.holds() {
			verdict = fmt.Sprintf("MISSED by %.0f %%", 100*abs(f.got/f.want-1))
		}
		fmt.Fprintf(b.out, "  %-76s %8.2f %-2s  %s %-5.4g  %s\n", f.what, f.got, f.unit, sign, f.want, verdict)
	}
}

func abs(x float64) float64 { return max(x, -x) }
