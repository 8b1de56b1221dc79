//go:build linux

package results

import (
	"fmt"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
)

// Figure is one that is to be reached.
type Figure struct {
	Name    string
	Value   float64
	Bound   float64
	AtLeast bool // it is to be the bound or more; else the bound or less
	Strict  bool // the bound itself is not enough
}

// Reached reports whether it is.
func (f Figure) Reached() bool {
	switch {
	case f.AtLeast:
		return f.Value >= f.Bound
	case f.Strict:
		return f.Value < f.Bound
	}
	return f.Value <= f.Bound
}

func (f Figure) sign() string {
	switch {
	case f.AtLeast:
		return "≥"
	case f.Strict:
		return "<"
	}
	return "≤"
}

// Figures returns those that the run has measured.
func (r *Results) Figures() []Figure {
	var all []Figure
	for _, c := range r.cases("packets") {
		if c.Size != 1000 || c.Indications {
			continue // reported, but they do not decide
		}
		name := fmt.Sprintf("CPU by %%s's, %d kpps, singles", c.Rate/1000)
		coturn, pion := Figure{Bound: 1, Strict: true}, Figure{Bound: 0.8}
		if c.Rate < 30_000 {
			coturn = Figure{Bound: 1.1}
		}
		if c.Burst > 1 {
			name = fmt.Sprintf("CPU by %%s's, %d kpps, bursts of %d", c.Rate/1000, c.Burst)
			pion.Bound = 0.55
			if c.Rate >= 80_000 {
				coturn = Figure{Bound: 0.6}
			}
		}
		for by, f := range map[contender.Kind]*Figure{contender.Coturn: &coturn, contender.Pion: &pion} {
			f.Name, f.Value = fmt.Sprintf(name, by), r.ratio(c, contender.Parley, by)
		}
		for _, f := range []Figure{coturn, pion} {
			if f.Value > 0 {
				all = append(all, f)
			}
		}
	}
	all = append(all, r.growthFigure()...)
	all = append(all, r.ladderFigures()...)
	if rounds := r.memory(contender.Parley); len(rounds) > 0 {
		all = append(all,
			Figure{Name: "KB of memory for an idle allocation", Value: Median(rounds, func(m Memory) float64 { return m.Resident }), Bound: 4},
			Figure{Name: "allocations per CPU-second", Value: Median(rounds, func(m Memory) float64 { return m.PerCPU }), Bound: 20_000, AtLeast: true})
	}
	return all
}

// growthFigure compares the most allocations with the fewest.
func (r *Results) growthFigure() []Figure {
	cases := r.cases("growth")
	if len(cases) < 2 {
		return nil
	}
	few, many := cases[0], cases[0]
	for _, c := range cases {
		if c.Flows < few.Flows {
			few = c
		}
		if c.Flows > many.Flows {
			many = c
		}
	}
	ratio := r.ratioOf(r.find(many, contender.Parley), r.find(few, contender.Parley))
	if ratio == 0 {
		return nil
	}
	return []Figure{{Name: fmt.Sprintf("CPU at %d allocations by that at %d", many.Flows, few.Flows), Value: ratio, Bound: 1.3}}
}

func (r *Results) ladderFigures() []Figure {
	var all []Figure
	lost := func(s ServerResult) float64 { return 100 * s.Lost() }
	p99 := func(s ServerResult) float64 { return micros(s.P99) }
	if rounds := climbs(r.Ladder, func(c Climb) []ServerResult { return c.At }, contender.Parley); len(rounds) > 0 {
		all = append(all, Figure{Name: "% lost at the first rate at which coturn loses", Value: Median(rounds, lost), Bound: 0.01})
	}
	half := func(c Climb) []ServerResult { return c.Half }
	ours, theirs := climbs(r.Ladder, half, contender.Parley), climbs(r.Ladder, half, contender.Coturn)
	if len(ours) > 0 && len(theirs) > 0 {
		all = append(all, Figure{Name: "p99 at half of that, µs, beside coturn's", Value: Median(ours, p99), Bound: Median(theirs, p99)})
	}
	return all
}

// figures writes which are reached.
func (r *Results) figures(w *writer) {
	all := r.Figures()
	if len(all) == 0 {
		return
	}
	w.printf("\nfigures to reach\n")
	w.table(func(row func(...string)) {
		for _, f := range all {
			verdict := "reached"
			if !f.Reached() {
				verdict = "MISSED"
			}
			row(f.Name, fmt.Sprintf("%.4g", f.Value), fmt.Sprintf("%s %.4g", f.sign(), f.Bound), verdict)
		}
	})
}
