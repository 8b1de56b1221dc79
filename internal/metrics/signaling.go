package metrics

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-rtc/parley/signaling"
)

var (
	signalingSessions = gauge("parley_signaling_sessions", "Sessions whose link in use is here, by its kind: websocket, events; poll: with a poll waiting for its answer.", "link")
	signalingLinks    = gauge("parley_signaling_links", "WebSockets and streams of events that are open here, probes too.")
	signalingJoins    = counter("parley_signaling_joins_total", "Joins, by how: new, resumed (an earlier session's peer id was taken over), repeated (made before; the same session).", "how")
	signalingChanges  = counter("parley_signaling_link_changes_total", "Links that came into use, by their kind and that of the one before: none for a session's first, the same for a client that came back.", "from", "to")
	signalingFrames   = counter("parley_signaling_frames_total", "Numbered frames, by direction (up, down) and kind; invalid: no valid frame of its kind.", "direction", "kind")
	signalingRefusals = counter("parley_signaling_refusals_total", "Requests and frames refused, by code.", "code")
	signalingMailbox  = prometheus.NewDesc("parley_signaling_mailbox_frames", "Frames of a session not yet acknowledged, seen at each ping and each poll.", nil, nil)
	signalingJoin     = prometheus.NewDesc("parley_signaling_join_seconds", "Time from a join's request to its reply.", nil, nil)
	signalingDelivery = prometheus.NewDesc("parley_signaling_delivery_seconds", "Time from a WebSocket's or a stream's being told of a frame until it was written, of one in 64.", nil, nil)
)

// Signaling returns a collector for the signaling server's counts.
func Signaling(stats func() signaling.Stats) prometheus.Collector { return signalingCollector(stats) }

type signalingCollector func() signaling.Stats

// Describe implements prometheus.Collector.
func (c signalingCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range []family{signalingSessions, signalingLinks, signalingJoins, signalingChanges, signalingFrames, signalingRefusals} {
		ch <- f.desc
	}
	ch <- signalingMailbox
	ch <- signalingJoin
	ch <- signalingDelivery
}

// Collect implements prometheus.Collector.
func (c signalingCollector) Collect(ch chan<- prometheus.Metric) {
	s := c()
	sendMap(signalingSessions, ch, s.Sessions)
	signalingLinks.send(ch, float64(s.Links))
	signalingJoins.send(ch, float64(s.Joins-s.Resumes), "new")
	signalingJoins.send(ch, float64(s.Resumes), "resumed")
	signalingJoins.send(ch, float64(s.Repeats), "repeated")
	for _, change := range s.LinkChanges {
		signalingChanges.send(ch, float64(change.Count), cmp.Or(change.From, "none"), change.To)
	}
	sendMap(signalingFrames, ch, s.UpByKind, "up")
	sendMap(signalingFrames, ch, s.DownByKind, "down")
	sendMap(signalingRefusals, ch, s.RefusedByCode)
	sendHistogram(ch, signalingMailbox, s.Mailbox)
	sendHistogram(ch, signalingJoin, s.JoinTime)
	sendHistogram(ch, signalingDelivery, s.Delivery)
}

func sendHistogram(ch chan<- prometheus.Metric, desc *prometheus.Desc, h signaling.Histogram) {
	buckets := make(map[float64]uint64, len(h.Bounds))
	var sum uint64
	for i, bound := range h.Bounds {
		sum += h.Counts[i]
		buckets[bound] = sum
	}
	ch <- prometheus.MustNewConstHistogram(desc, sum+h.Counts[len(h.Bounds)], h.Sum, buckets)
}
