//go:build linux

package results

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/load"
)

// servers are all that there may be rows of, in their order.
var servers = []contender.Kind{contender.Coturn, contender.Parley, contender.Unmerged, contender.Pion, contender.None}

// parts are those with packets, and what people call them.
var parts = []struct{ name, title string }{
	{"packets", "packets over UDP, on loopback"},
	{"streams", "clients over TCP and TLS, on loopback"},
	{"growth", "more and more allocations, on loopback"},
	{"veth", "packets over UDP, on virtual Ethernet between namespaces, MTU 1500"},
}

// Tables writes medians, for a terminal.
func (r *Results) Tables(out io.Writer) error {
	w := &writer{out: out}
	w.printf("%s; %s; medians of %d rounds\n", r.Made.Format(time.DateOnly), r.Machine, r.Rounds)
	for _, note := range r.Notes {
		w.printf("not measured: %s\n", note)
	}
	r.memoryTable(w)
	for _, part := range parts {
		r.packetTable(w, part.name, part.title)
	}
	r.ladderTable(w)
	r.figures(w)
	return w.err
}

// writer remembers the first error.
type writer struct {
	out io.Writer
	err error
}

func (w *writer) printf(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format, args...)
	}
}

// table has rows written whose columns are aligned.
func (w *writer) table(rows func(row func(cells ...string))) {
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	rows(func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") }) // Flush tells
	if err := t.Flush(); w.err == nil {
		w.err = err
	}
}

func (r *Results) memoryTable(w *writer) {
	if len(r.Memory) == 0 {
		return
	}
	w.printf("\n%d idle allocations over UDP\n", r.Memory[0].N)
	w.table(func(row func(...string)) {
		row("server", "MB before", "MB after", "KB each", "KB of the kernel each", "made per CPU-second")
		for _, server := range servers {
			rounds := r.memory(server)
			if len(rounds) == 0 {
				continue
			}
			of := func(f func(Memory) float64) float64 { return Median(rounds, f) }
			kernel := "–"
			if k := of(func(m Memory) float64 { return m.Kernel }); k >= 0 {
				kernel = fmt.Sprintf("%.1f", k)
			}
			row(string(server), fmt.Sprintf("%.1f", of(func(m Memory) float64 { return m.Before })),
				fmt.Sprintf("%.1f", of(func(m Memory) float64 { return m.After })), fmt.Sprintf("%.1f", of(func(m Memory) float64 { return m.Resident })),
				kernel, fmt.Sprintf("%.0f", of(func(m Memory) float64 { return m.PerCPU })))
		}
	})
}

func (r *Results) packetTable(w *writer, part, title string) {
	cases := r.cases(part)
	if len(cases) == 0 {
		return
	}
	w.printf("\n%s\n", title)
	for _, c := range cases {
		w.printf("\n%s\n", c)
		w.table(func(row func(...string)) {
			row("server", "µs of CPU", "of coturn's", "of the machine", "lost %", "p50 µs", "p99 µs")
			for _, server := range servers {
				if rounds := r.find(c, server); len(rounds) > 0 {
					row(r.packetRow(c, server, rounds)...)
				}
			}
		})
		for _, server := range servers {
			for _, p := range r.all(c, server) {
				if limit := p.Limit(); limit != "" {
					w.printf("  %s, round %d: %s\n", server, p.Round+1, limit)
				}
				if p.Others > MostOthers {
					w.printf("  %s, round %d: other programs kept %.1f processors busy\n", server, p.Round+1, p.Others)
				}
			}
		}
	}
}

func (r *Results) packetRow(c Case, server contender.Kind, rounds []Packet) []string {
	of := func(f func(Packet) float64) float64 { return Median(rounds, f) }
	cpu, ratio := "–", "–"
	if server != contender.None {
		cpu = fmt.Sprintf("%.2f", of(func(p Packet) float64 { return p.CPU }))
	}
	if v := r.ratio(c, server, contender.Coturn); v > 0 {
		ratio = fmt.Sprintf("%.2f", v)
	}
	return []string{
		string(server), cpu, ratio, fmt.Sprintf("%.2f", of(func(p Packet) float64 { return p.All })),
		fmt.Sprintf("%.3f", 100*of(func(p Packet) float64 { return p.Lost() })),
		fmt.Sprintf("%.0f", of(func(p Packet) float64 { return micros(p.P50) })), fmt.Sprintf("%.0f", of(func(p Packet) float64 { return micros(p.P99) })),
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func (r *Results) ladderTable(w *writer) {
	if len(r.Ladder) == 0 {
		return
	}
	w.printf("\nthe first rate at which coturn loses 0.1 %% or more over ten seconds: singles of 1000 bytes\n")
	for _, climb := range r.Ladder {
		if climb.Limit != "" {
			w.printf("round %d: not found up to %d kpps: %s\n", climb.Round+1, climb.Rate/1000, climb.Limit)
		} else {
			w.printf("round %d: %d kpps\n", climb.Round+1, climb.Rate/1000)
		}
		w.table(func(row func(...string)) {
			row("", "kpps", "lost %", "p50 µs", "p99 µs", "")
			tell := func(server string, rate int, result load.Result, others float64) {
				limit := result.Limit()
				if others > MostOthers {
					limit = fmt.Sprintf("other programs kept %.1f processors busy", others)
				}
				row(server, fmt.Sprint(rate/1000), fmt.Sprintf("%.4f", 100*result.Lost()), fmt.Sprintf("%.0f", micros(result.P50)), fmt.Sprintf("%.0f", micros(result.P99)), limit)
			}
			for _, probe := range climb.Probes {
				tell("probe of coturn", probe.Rate, probe.Result, probe.Others)
			}
			for _, s := range climb.At {
				tell(string(s.Server), climb.Rate, s.Result, s.Others)
			}
			for _, s := range climb.Half {
				tell(string(s.Server), climb.Rate/2, s.Result, s.Others)
			}
		})
	}
}

// climbs returns what a server showed in each round of the ladder.
func climbs(all []Climb, of func(Climb) []ServerResult, server contender.Kind) []ServerResult {
	var found []ServerResult
	for _, climb := range all {
		if i := slices.IndexFunc(of(climb), func(s ServerResult) bool { return s.Server == server }); i >= 0 {
			found = append(found, of(climb)[i])
		}
	}
	return found
}
