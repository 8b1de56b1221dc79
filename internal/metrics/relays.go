package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-rtc/parley/internal/relays"
)

var (
	externalUp     = gauge("parley_external_relay_up", "1 if a relay of --turn-url counts as up, or 0.", "relay")
	externalChecks = counter("parley_external_relay_checks_total", "Checks of a relay's URLs, by result: ok, silent, refused, unauthorized, full, draining, resolve, connect, tls, other.", "relay", "url", "result")
	externalTime   = prometheus.NewDesc("parley_external_relay_check_seconds", "Time that checks of a relay's URLs took.", []string{"relay", "url"}, nil)
)

// Relays returns a collector for the external relays.
func Relays(status func() []relays.Status) prometheus.Collector { return relaysCollector(status) }

type relaysCollector func() []relays.Status

// Describe implements prometheus.Collector.
func (c relaysCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- externalUp.desc
	ch <- externalChecks.desc
	ch <- externalTime
}

// Collect implements prometheus.Collector.
func (c relaysCollector) Collect(ch chan<- prometheus.Metric) {
	last := ""
	for _, s := range c() {
		if s.Relay != last {
			up := 0.0
			if s.Up {
				up = 1
			}
			externalUp.send(ch, up, s.Relay)
			last = s.Relay
		}
		sendMap(externalChecks, ch, s.Results, s.Relay, s.URL)
		ch <- prometheus.MustNewConstSummary(externalTime, s.Checks, s.Took.Seconds(), nil, s.Relay, s.URL)
	}
}
