package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-rtc/parley/internal/oneport"
)

var (
	portConnections = counter("parley_port_connections_total", "TCP connections to the public port, by what they speak: http, https, turn or turns.", "protocol")
	portRefusals    = counter("parley_port_refusals_total", "TCP connections to the public port that were closed, by reason.", "reason")
)

// Port returns a collector for the counts of the port that everything comes to.
func Port(stats func() oneport.Stats) prometheus.Collector { return portCollector(stats) }

type portCollector func() oneport.Stats

// Describe implements prometheus.Collector.
func (c portCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- portConnections.desc
	ch <- portRefusals.desc
}

// Collect implements prometheus.Collector.
func (c portCollector) Collect(ch chan<- prometheus.Metric) {
	s := c()
	sendMap(portConnections, ch, s.Accepted)
	sendMap(portRefusals, ch, s.Refused)
}
