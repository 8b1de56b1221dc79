package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-rtc/parley/relay"
)

var (
	relayAllocations = gauge("parley_relay_allocations", "Allocations that live now, by what their clients come over: udp, tcp, tls or dtls.", "transport")
	relayAllocated   = counter("parley_relay_allocations_total", "Allocations made.", "transport")
	relayConnections = gauge("parley_relay_connections", "Connections of clients over TCP, TLS and DTLS, authenticated or not.")
	relayPortsInUse  = gauge("parley_relay_ports_in_use", "Ports of relayed addresses that are taken, by network (udp, tcp) and family (ipv4, ipv6).", "network", "family")
	relayPorts       = gauge("parley_relay_ports", "Ports that there are for relayed addresses.", "network", "family")
	relayBindings    = counter("parley_relay_bindings_total", "STUN binding requests answered.")
	relayChallenges  = counter("parley_relay_challenges_total", "Requests without credentials, answered with 401 as the first one of each client is.")
	relayPackets     = counter("parley_relay_packets_total", "Packets relayed, by direction: to_peers or from_peers.", "direction")
	relayBytes       = counter("parley_relay_bytes_total", "Bytes of payload relayed, by direction: to_peers or from_peers.", "direction")
	relayAuth        = counter("parley_relay_auth_failures_total", "Requests with an unknown user or a wrong password.")
	relayRefusals    = counter("parley_relay_refusals_total", "Other requests answered with an error, by reason.", "reason")
	relayDrops       = counter("parley_relay_drops_total", "Packets that went nowhere, by reason.", "reason")
	relayKernel      = counter("parley_relay_kernel_drops_total", "Datagrams that the system dropped before they were read: buffers of sockets were full. Only Linux tells.")
)

// Relay returns a collector for the relay's counts.
func Relay(stats func() relay.Stats) prometheus.Collector { return relayCollector(stats) }

type relayCollector func() relay.Stats

// Describe implements prometheus.Collector.
func (c relayCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range []family{
		relayAllocations, relayAllocated, relayConnections, relayPortsInUse, relayPorts, relayBindings, relayChallenges,
		relayPackets, relayBytes, relayAuth, relayRefusals, relayDrops, relayKernel,
	} {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c relayCollector) Collect(ch chan<- prometheus.Metric) {
	s := c()
	for transport, counts := range s.Transports {
		relayAllocations.send(ch, float64(counts.Live), transport)
		relayAllocated.send(ch, float64(counts.Total), transport)
	}
	relayConnections.send(ch, float64(s.Connections))
	for _, ports := range s.Ports {
		relayPortsInUse.send(ch, float64(ports.InUse), ports.Network, ports.Family)
		relayPorts.send(ch, float64(ports.Range), ports.Network, ports.Family)
	}
	relayBindings.send(ch, float64(s.Bindings))
	relayChallenges.send(ch, float64(s.Challenges))
	relayPackets.send(ch, float64(s.ToPeers.Packets), "to_peers")
	relayPackets.send(ch, float64(s.FromPeers.Packets), "from_peers")
	relayBytes.send(ch, float64(s.ToPeers.Bytes), "to_peers")
	relayBytes.send(ch, float64(s.FromPeers.Bytes), "from_peers")
	relayAuth.send(ch, float64(s.AuthFailures))
	sendMap(relayRefusals, ch, s.Refusals)
	sendMap(relayDrops, ch, s.Drops)
	relayKernel.send(ch, float64(s.KernelDrops))
}
