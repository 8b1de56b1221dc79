//go:build linux

package results

import (
	"fmt"
	"os"
	"strings"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
)

// Markers are around what UpdateReadme writes.
const (
	beginMark = "<!-- bench-relay: written by make bench-relay -->"
	endMark   = "<!-- /bench-relay -->"
)

// UpdateReadme writes the table of a file between the markers that are there.
func (r *Results) UpdateReadme(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !ok || !ended {
		return fmt.Errorf("%s: there are no lines %q and %q to write between", path, beginMark, endMark)
	}
	return os.WriteFile(path, []byte(before+beginMark+"\n"+r.Markdown()+endMark+after), 0o644)
}

// columns of the README's table.
var columns = []contender.Kind{contender.Parley, contender.Coturn, contender.Pion}

// Markdown returns the table.
func (r *Results) Markdown() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s; medians of %d rounds; packets of 1,000 bytes, both ways, channels on 50 allocations, over UDP on loopback, if nothing else is said. CPU times are by coturn's in the same round.\n\n", r.Machine, r.Rounds)
	b.WriteString("| |")
	for _, server := range columns {
		fmt.Fprintf(b, " %s |", title(server))
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	row := func(name string, of func(contender.Kind) string) {
		fmt.Fprintf(b, "| %s |", name)
		for _, server := range columns {
			fmt.Fprintf(b, " %s |", of(server))
		}
		b.WriteString("\n")
	}
	for _, part := range []string{"packets", "streams", "veth"} {
		for _, c := range r.cases(part) {
			row("CPU for a packet: "+caption(c), func(server contender.Kind) string { return r.share(c, server) })
			if part == "veth" && len(r.find(c, contender.Unmerged)) > 0 {
				row("the same, GSO off", func(server contender.Kind) string {
					if server == contender.Parley {
						server = contender.Unmerged
					}
					return r.share(c, server)
				})
			}
		}
	}
	r.growthRow(row)
	r.ladderRows(row)
	r.memoryRows(row)
	fmt.Fprintf(b, "\n")
	for _, note := range r.Notes {
		fmt.Fprintf(b, "Not measured: %s.\n", note)
	}
	for _, f := range r.Figures() {
		if !f.Reached() {
			fmt.Fprintf(b, "- not reached: %s, %.3g, wanted %s %.3g\n", f.Name, f.Value, f.sign(), f.Bound)
		}
	}
	return b.String()
}

func title(server contender.Kind) string {
	if server == contender.Parley {
		return "Parley"
	}
	return string(server)
}

// caption says what is not as usual.
func caption(c Case) string {
	words := []string{fmt.Sprintf("%s a second", thousands(c.Rate))}
	if c.Burst > 1 {
		words = append(words, fmt.Sprintf("bursts of %d", c.Burst))
	} else {
		words = append(words, "evenly spaced")
	}
	if c.Size != 1000 {
		words = append(words, fmt.Sprintf("%d bytes", c.Size))
	}
	if c.Indications {
		words = append(words, "indications")
	}
	if c.Transport != "udp" {
		words = append(words, "clients over "+strings.ToUpper(string(c.Transport)))
	}
	if c.Net != "loopback" {
		words = append(words, "virtual Ethernet, MTU 1500")
	}
	return strings.Join(words, ", ")
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// share is what a server uses by coturn's, with what it loses.
func (r *Results) share(c Case, server contender.Kind) string {
	rounds := r.find(c, server)
	ratio := r.ratio(c, server, contender.Coturn)
	if len(rounds) == 0 || ratio == 0 {
		return "–"
	}
	text := fmt.Sprintf("%.2f", ratio)
	if server == contender.Coturn {
		text = "1"
	}
	if lost := Median(rounds, func(p Packet) float64 { return p.Lost() }); lost >= 0.001 {
		text += fmt.Sprintf(" (%.1f %% lost)", 100*lost)
	}
	return text
}

type rowWriter func(name string, of func(contender.Kind) string)

func (r *Results) growthRow(row rowWriter) {
	cases := r.cases("growth")
	for _, c := range cases[min(1, len(cases)):] {
		row(fmt.Sprintf("CPU for a packet on %s allocations, by that on %s, 80,000 a second in bursts of 8", thousands(c.Flows), thousands(cases[0].Flows)), func(server contender.Kind) string {
			if ratio := r.ratioOf(r.find(c, server), r.find(cases[0], server)); ratio > 0 {
				return fmt.Sprintf("%.2f", ratio)
			}
			return "–"
		})
	}
}

func (r *Results) ladderRows(row rowWriter) {
	if len(r.Ladder) == 0 {
		return
	}
	rate := int(Median(r.Ladder, func(c Climb) float64 { return float64(c.Rate) }))
	at := "the first rate at which coturn loses 0.1 %"
	for _, climb := range r.Ladder {
		if climb.Limit != "" {
			at = "the highest rate that the bench can offer"
		}
	}
	row(fmt.Sprintf("lost at %s, %s a second", at, thousands(rate)), func(server contender.Kind) string {
		rounds := climbs(r.Ladder, func(c Climb) []ServerResult { return c.At }, server)
		if len(rounds) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.3f %%", 100*Median(rounds, func(s ServerResult) float64 { return s.Lost() }))
	})
	row("p99 at half of it", func(server contender.Kind) string {
		rounds := climbs(r.Ladder, func(c Climb) []ServerResult { return c.Half }, server)
		if len(rounds) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.0f µs", Median(rounds, func(s ServerResult) float64 { return micros(s.P99) }))
	})
}

func (r *Results) memoryRows(row rowWriter) {
	if len(r.Memory) == 0 {
		return
	}
	figure := func(format string, of func(Memory) float64) func(contender.Kind) string {
		return func(server contender.Kind) string {
			rounds := r.memory(server)
			if len(rounds) == 0 {
				return "–"
			}
			return fmt.Sprintf(format, Median(rounds, of))
		}
	}
	row(fmt.Sprintf("memory of %s idle allocations, each", thousands(r.Memory[0].N)), figure("%.1f KB", func(m Memory) float64 { return m.Resident }))
	row("allocations made in a second of CPU", func(server contender.Kind) string {
		rounds := r.memory(server)
		if len(rounds) == 0 {
			return "–"
		}
		return thousands(int(Median(rounds, func(m Memory) float64 { return m.PerCPU })) / 100 * 100)
	})
}
