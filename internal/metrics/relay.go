package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-rtc/parley/relay"
)

var (
	relayAllocations = gauge("parley_relay_allocations", "Allocations that live now.")
	relayAllocated   = counter("parley_relay_allocations_total", "Allocations made.")
	relayPackets     = counter("parley_relay_packets_total", "Packets relayed, by direction: to_peers or from_peers.", "direction")
	relayBytes       = counter("parley_relay_bytes_total", "Bytes of payload relayed, by direction: to_peers or from_peers.", "direction")
	relayAuth        = counter("parley_relay_auth_failures_total", "Requests with an unknown user or a wrong password.")
	relayRefusals    = counter("parley_relay_refusals_total", "Other requests answered with an error, by reason.", "reason")
	relayDrops       = counter("parley_relay_drops_total", "Packets that went nowhere, by reason.", "reason")
)

// Relay returns a collector for the relay's counts.
func Relay(stats func() relay.Stats) prometheus.Collector { return relayCollector(stats) }

type relayCollector func() relay.Stats

// Describe implements prometheus.Collector.
func (c relayCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range []family{relayAllocations, relayAllocated, relayPackets, relayBytes, relayAuth, relayRefusals, relayDrops} {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c relayCollector) Collect(ch chan<- prometheus.Metric) {
	s := c()
	relayAllocations.send(ch, float64(s.Allocations))
	relayAllocated.send(ch, float64(s.AllocationsTotal))
	relayPackets.send(ch, float64(s.ToPeers.Packets), "to_peers")
	relayPackets.send(ch, float64(s.FromPeers.Packets), "from_peers")
	relayBytes.send(ch, float64(s.ToPeers.Bytes), "to_peers")
	relayBytes.send(ch, float64(s.FromPeers.Bytes), "from_peers")
	relayAuth.send(ch, float64(s.AuthFailures))
	sendMap(relayRefusals, ch, s.Refusals)
	sendMap(relayDrops, ch, s.Drops)
}
