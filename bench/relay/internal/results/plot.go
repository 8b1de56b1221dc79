//go:build linux

package results

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
)

// Sizes of the plot, in its own units.
const (
	plotWidth, plotHeight = 800, 345
	panelWidth            = 330
	panelHeight           = 210
	panelTop              = 60
)

// panel is one of its two halves.
type panel struct {
	title  string
	left   int
	series []series
}

// series is a line.
type series struct {
	server contender.Kind
	points []point
}

// point is a median. It is hollow if the server lost packets there, or the bench could not make the load.
type point struct {
	rate, cpu float64
	hollow    bool
}

// WritePlot writes CPU per packet against the rate, for each server, as an SVG image that suits light and dark pages.
func (r *Results) WritePlot(path string) error {
	text, err := r.plot()
	if err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// style is for both: GitHub shows the image by itself, so it asks for the reader's choice.
const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 13px }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5 }
.coturn { stroke: #9a6700; fill: #9a6700 }
.parley { stroke: #0969da; fill: #0969da }
.pion { stroke: #8250df; fill: #8250df }
.line.coturn, .line.parley, .line.pion { fill: none }
.hollow { fill: #ffffff; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.grid { stroke: #30363d }
.coturn { stroke: #d29922; fill: #d29922 }
.parley { stroke: #58a6ff; fill: #58a6ff }
.pion { stroke: #bc8cff; fill: #bc8cff }
.hollow { fill: #0d1117 }
}
</style>
`

var classes = map[contender.Kind]string{contender.Coturn: "coturn", contender.Parley: "parley", contender.Pion: "pion"}

func (r *Results) plot() (string, error) {
	panels := []panel{
		{"single packets, evenly spaced", 60, r.seriesOf(func(c Case) bool { return c.Burst == 1 })},
		{"bursts of 8 packets", 450, r.seriesOf(func(c Case) bool { return c.Burst == 8 })},
	}
	var rates []float64
	tops := make([]float64, len(panels)) // bursts are so cheap that a scale for both would hide them
	for i, p := range panels {
		for _, s := range p.series {
			for _, at := range s.points {
				tops[i] = max(tops[i], at.cpu)
				if !slices.Contains(rates, at.rate) {
					rates = append(rates, at.rate)
				}
			}
		}
	}
	slices.Sort(rates)
	if len(rates) < 2 {
		return "", errors.New("there are no packets of 1000 bytes at two rates or more")
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="CPU time per relayed packet against packets per second">`+"\n%s", plotWidth, plotHeight, style)
	fmt.Fprintf(b, `<text class="title" x="60" y="20">Microseconds of the server&#8217;s CPU time for a relayed packet of 1,000 bytes; less is better</text>`+"\n")
	for i, p := range panels {
		unit := unitOf(tops[i])
		p.draw(b, axes{rates: rates, unit: unit, top: unit * max(1, math.Ceil(tops[i]/unit))})
	}
	legend(b, panels)
	b.WriteString("</svg>\n")
	return b.String(), nil
}

// seriesOf returns the servers' lines, of the loads that decide.
func (r *Results) seriesOf(of func(Case) bool) []series {
	var all []series
	for _, server := range contender.Kinds {
		s := series{server: server}
		for _, c := range r.cases("packets") {
			rounds := r.find(c, server)
			if c.Size != 1000 || c.Indications || !of(c) || len(rounds) == 0 {
				continue
			}
			s.points = append(s.points, point{
				rate: float64(c.Rate) / 1000, cpu: Median(rounds, func(p Packet) float64 { return p.CPU }),
				hollow: Median(rounds, func(p Packet) float64 { return p.Lost() }) > 0.01 || slices.ContainsFunc(rounds, func(p Packet) bool { return p.Limit() != "" }),
			})
		}
		if len(s.points) > 0 {
			slices.SortFunc(s.points, func(a, b point) int { return int(a.rate - b.rate) })
			all = append(all, s)
		}
	}
	return all
}

// axes are the scales: rates are at equal ratios, microseconds at equal steps from nothing.
type axes struct {
	rates     []float64
	top, unit float64
}

// unitOf returns the step between lines of the grid.
func unitOf(top float64) float64 {
	for _, unit := range []float64{1, 2, 5, 10, 20, 50} {
		if top/unit <= 6 {
			return unit
		}
	}
	return 100 * math.Ceil(top/600)
}

func (a axes) x(rate float64) float64 {
	least, most := math.Log(a.rates[0]), math.Log(a.rates[len(a.rates)-1])
	return 10 + (math.Log(rate)-least)/(most-least)*(panelWidth-40)
}

func (a axes) y(cpu float64) float64 { return panelTop + panelHeight*(1-cpu/a.top) }

func (p panel) draw(b *strings.Builder, a axes) {
	fmt.Fprintf(b, `<g transform="translate(%d 0)">`+"\n"+`<text x="0" y="%d">%s</text>`+"\n", p.left, panelTop-14, p.title)
	for v := 0.0; v <= a.top; v += a.unit {
		fmt.Fprintf(b, `<path class="grid" d="M0 %.1fH%d"/><text x="-8" y="%.1f" text-anchor="end">%g</text>`+"\n", a.y(v), panelWidth, a.y(v)+4, v)
	}
	for _, rate := range a.rates {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n", a.x(rate), panelTop+panelHeight+18, rate)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">thousand packets per second</text>`+"\n", panelWidth/2, panelTop+panelHeight+36)
	for _, s := range p.series {
		class := classes[s.server]
		var d strings.Builder
		for i, at := range s.points {
			d.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
			fmt.Fprintf(&d, "%.1f %.1f", a.x(at.rate), a.y(at.cpu))
		}
		fmt.Fprintf(b, `<path class="line %s" d="%s"/>`+"\n", class, &d)
		for _, at := range s.points {
			if at.hollow {
				class = classes[s.server] + " hollow"
			} else {
				class = classes[s.server]
			}
			fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="4"><title>%s, %g kpps: %.2f µs</title></circle>`+"\n", class, a.x(at.rate), a.y(at.cpu), s.server, at.rate, at.cpu)
		}
	}
	b.WriteString("</g>\n")
}

// legend names the lines, and says what a hollow point is.
func legend(b *strings.Builder, panels []panel) {
	at := 60
	for _, server := range contender.Kinds {
		if !slices.ContainsFunc(panels, func(p panel) bool {
			return slices.ContainsFunc(p.series, func(s series) bool { return s.server == server })
		}) {
			continue
		}
		fmt.Fprintf(b, `<path class="line %s" d="M%d %dh22"/><text x="%d" y="%d">%s</text>`+"\n", classes[server], at, plotHeight-14, at+28, plotHeight-10, server)
		at += 100
	}
	fmt.Fprintf(b, `<text x="%d" y="%d">hollow: more than 1 %% lost, or the load was not whole</text>`+"\n", at+10, plotHeight-10)
}
