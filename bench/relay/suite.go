//go:build linux

package main

import (
	"slices"
	"strings"
	"time"

	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
	"github.com/parley-rtc/parley/bench/relay/internal/load"
	"github.com/parley-rtc/parley/bench/relay/internal/results"
)

// suite is loads on the same allocations of one process.
type suite struct {
	net     *lab.Net
	servers []contender.Kind
	cases   []results.Case
}

// shape is a load but for where it is.
type shape struct {
	rate, burst, size int
	indications       bool
}

// Loads that are compared. All of singles and bursts of 1,000 bytes on loopback are in the plot.
var (
	onLoopback = []shape{
		{6_000, 1, 1000, false},
		{30_000, 1, 1000, false},
		{80_000, 1, 1000, false},
		{180_000, 1, 1000, false},
		{30_000, 8, 1000, false},
		{80_000, 8, 1000, false},
		{180_000, 8, 1000, false},
		{30_000, 1, 200, false},
		{80_000, 8, 200, false},
		{30_000, 1, 1000, true},
		{80_000, 8, 1000, true},
	}
	withoutRelay = []shape{{6_000, 1, 1000, false}, {30_000, 1, 1000, false}, {80_000, 1, 1000, false}, {80_000, 8, 1000, false}}
	onStreams    = []shape{{30_000, 1, 1000, false}, {80_000, 8, 1000, false}}
	onVeth       = []shape{{30_000, 1, 1000, false}, {80_000, 8, 1000, false}, {80_000, 8, 200, false}}
	onGrowth     = []shape{{80_000, 8, 1000, false}}
)

const flows = 50

// crowds are how many allocations growth is measured on.
var crowds = []int{10, 100, 1_000, 10_000}

// suites returns what the parts that are asked for consist of.
func (o options) suites(veth *lab.Net) []suite {
	here := lab.Loopback()
	var all []suite
	add := func(part string, at *lab.Net, transport load.Transport, flows int, servers []contender.Kind, shapes []shape) {
		s := suite{net: at, servers: servers}
		for _, h := range shapes {
			c := results.Case{
				Part: part, Net: at.Name, Transport: transport, Flows: flows, Rate: h.rate, Burst: h.burst, Size: h.size, Indications: h.indications,
			}
			if strings.Contains(c.String(), o.match) {
				s.cases = append(s.cases, c)
			}
		}
		if len(s.cases) > 0 {
			all = append(all, s)
		}
	}
	if o.wants(packets) {
		add(packets, here, load.UDP, flows, o.servers, onLoopback)
		add(packets, here, load.UDP, flows, []contender.Kind{contender.None}, withoutRelay)
	}
	if o.wants(streams) {
		add(streams, here, load.TCP, flows, o.servers, onStreams)
		add(streams, here, load.TLS, flows, o.servers, onStreams)
	}
	if o.wants(growth) {
		for _, n := range crowds {
			if n <= o.most {
				add(growth, here, load.UDP, n, o.servers, onGrowth)
			}
		}
	}
	if o.wants(vethPart) && veth != nil {
		servers := slices.Clone(o.servers)
		if i := slices.Index(servers, contender.Parley); i >= 0 {
			servers = slices.Insert(servers, i+1, contender.Unmerged)
		}
		add(vethPart, veth, load.UDP, flows, servers, onVeth)
	}
	return all
}

// expected returns about how long all will take.
func (o options) expected(all []suite) time.Duration {
	var sum time.Duration
	for _, s := range all {
		for range s.servers {
			sum += 500*time.Millisecond + warmUp + time.Duration(s.cases[0].Flows)*300*time.Microsecond
			sum += time.Duration(len(s.cases)) * (o.each + 80*time.Millisecond)
		}
	}
	if o.wants(memoryPart) {
		sum += time.Duration(len(o.servers)) * (o.settle + o.settle/5 + time.Duration(o.n)*300*time.Microsecond + time.Second)
	}
	if o.wants(ladderPart) {
		sum += o.ladderTime()
	}
	return time.Duration(o.rounds) * sum
}
