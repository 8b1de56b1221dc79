//go:build linux

package results

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/load"
)

// Results is a run.
type Results struct {
	Made    time.Time `json:"made"`
	Machine string    `json:"machine"`
	Rounds  int       `json:"rounds"`
	Notes   []string  `json:"notes,omitempty"` // what was not measured, and why
	Memory  []Memory  `json:"memory,omitempty"`
	Packets []Packet  `json:"packets,omitempty"`
	Ladder  []Climb   `json:"ladder,omitempty"`
}

// Memory is what one round of one server showed of idle allocations.
type Memory struct {
	Server   contender.Kind `json:"server"`
	Round    int            `json:"round"`
	N        int            `json:"n"`
	Before   float64        `json:"before"`    // MB resident, without an allocation
	After    float64        `json:"after"`     // and with all of them
	Resident float64        `json:"resident"`  // KB for each
	Kernel   float64        `json:"kernel"`    // KB for each, of sockets; negative: not to be told
	PerCPU   float64        `json:"perSecond"` // allocations made in a second of the server's CPU time
}

// Case names a load.
type Case struct {
	Part        string         `json:"part"`
	Net         string         `json:"net"`
	Transport   load.Transport `json:"transport"`
	Flows       int            `json:"flows"`
	Rate        int            `json:"rate"`
	Burst       int            `json:"burst"`
	Size        int            `json:"size"`
	Indications bool           `json:"indications,omitempty"`
}

// String says what it is.
func (c Case) String() string {
	how := "channels"
	if c.Indications {
		how = "indications"
	}
	shape := "singles"
	if c.Burst > 1 {
		shape = fmt.Sprintf("bursts of %d", c.Burst)
	}
	where := ""
	if c.Net != "loopback" {
		where = ", over " + c.Net
	}
	return fmt.Sprintf("%s, %d kpps, %s, %d bytes, %s, %d allocations%s", c.Transport, c.Rate/1000, shape, c.Size, how, c.Flows, where)
}

// Packet is what one round of one server showed under one load.
type Packet struct {
	Case
	Server contender.Kind `json:"server"`
	Round  int            `json:"round"`
	load.Result
	CPU float64 `json:"cpu"` // microseconds of the server's for each packet that arrived
	All float64 `json:"all"` // and of the whole machine's, with the kernel's, the sender's and the receiver's

	Others float64 `json:"others"` // processors that were busy with neither the server nor the bench
}

// Climb is what one round of the ladder showed.
type Climb struct {
	Round  int            `json:"round"`
	Rate   int            `json:"rate"`  // the first at which the reference lost packets; or the last tried
	Limit  string         `json:"limit"` // why the reference did not lose any up to there; "" if it did
	Probes []Probe        `json:"probes"`
	At     []ServerResult `json:"at"`   // each server at that rate
	Half   []ServerResult `json:"half"` // and at half of it
}

// Probe is a short try of the reference.
type Probe struct {
	Rate int `json:"rate"`
	load.Result
	Others float64 `json:"others"`
}

// ServerResult is what a server showed.
type ServerResult struct {
	Server contender.Kind `json:"server"`
	load.Result
	Others float64 `json:"others"`
}

// Read reads a file that Write has written.
func Read(path string) (*Results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Results
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}

// Write writes all to a file.
func (r *Results) Write(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Add takes over the parts that another run has measured, in place of its own.
func (r *Results) Add(other *Results) {
	for _, part := range parts {
		cases := other.cases(part.name)
		if len(cases) == 0 {
			continue
		}
		r.Packets = slices.DeleteFunc(r.Packets, func(p Packet) bool { return p.Part == part.name })
		r.Packets = append(r.Packets, slices.DeleteFunc(slices.Clone(other.Packets), func(p Packet) bool { return p.Part != part.name })...)
	}
	if len(other.Memory) > 0 {
		r.Memory = other.Memory
	}
	if len(other.Ladder) > 0 {
		r.Ladder = other.Ladder
	}
	r.Notes = append(r.Notes, other.Notes...)
	r.Made, r.Machine, r.Rounds = other.Made, other.Machine, min(r.Rounds, other.Rounds)
}

// cases returns those of a part, in the order in which they were measured.
func (r *Results) cases(part string) []Case {
	var all []Case
	for _, p := range r.Packets {
		if p.Part == part && !slices.Contains(all, p.Case) {
			all = append(all, p.Case)
		}
	}
	return all
}

// MostOthers is how many processors may be busy with other things before that disturbs a measurement.
const MostOthers = 0.3

// all returns the rounds of a server under a load.
func (r *Results) all(c Case, server contender.Kind) []Packet {
	return slices.DeleteFunc(slices.Clone(r.Packets), func(p Packet) bool { return p.Case != c || p.Server != server })
}

// find returns those that count: the ones that nothing has disturbed, if there is any.
func (r *Results) find(c Case, server contender.Kind) []Packet {
	all := r.all(c, server)
	quiet := slices.DeleteFunc(slices.Clone(all), func(p Packet) bool { return p.Others > MostOthers })
	if len(quiet) == 0 {
		return all
	}
	return quiet
}

// memory returns the rounds of a server.
func (r *Results) memory(server contender.Kind) []Memory {
	return slices.DeleteFunc(slices.Clone(r.Memory), func(m Memory) bool { return m.Server != server })
}

// ratio returns the median of what one server uses by what another does in the same round, or if no round of theirs is the same, the
// ratio of the medians; 0 if that is not known.
func (r *Results) ratio(c Case, server, by contender.Kind) float64 {
	return r.ratioOf(r.find(c, server), r.find(c, by))
}

func (r *Results) ratioOf(of, by []Packet) float64 {
	var ratios []float64
	for _, a := range of {
		for _, b := range by {
			if a.Round == b.Round && b.CPU > 0 {
				ratios = append(ratios, a.CPU/b.CPU)
			}
		}
	}
	cpu := func(p Packet) float64 { return p.CPU }
	if base := Median(by, cpu); len(ratios) == 0 && base > 0 {
		return Median(of, cpu) / base
	}
	return Median(ratios, func(v float64) float64 { return v })
}

// Median returns the median of a figure over rounds, or 0 if there is none.
func Median[R any](rounds []R, of func(R) float64) float64 {
	if len(rounds) == 0 {
		return 0
	}
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = of(r)
	}
	slices.SortFunc(values, cmp.Compare)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
