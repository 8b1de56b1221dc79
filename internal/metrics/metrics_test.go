package metrics

import (
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/oneport"
	"github.com/parley-rtc/parley/internal/relays"
	"github.com/parley-rtc/parley/relay"
	"github.com/parley-rtc/parley/signaling"
)

// scrape returns what a scrape of both services' metrics gets.
func scrape(t *testing.T) string {
	t.Helper()
	server, err := signaling.New(signaling.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	relayed := func() relay.Stats {
		return relay.Stats{
			Transports: map[string]relay.TransportStats{"tls": {Live: 1, Total: 2}}, Connections: 10, Bindings: 11, Challenges: 12, KernelDrops: 13,
			Ports:   []relay.PortStats{{Network: "udp", Family: "ipv6", InUse: 14, Range: 15}},
			ToPeers: relay.Traffic{Packets: 3, Bytes: 4}, FromPeers: relay.Traffic{Packets: 5, Bytes: 6},
			AuthFailures: 7, Refusals: map[string]uint64{"expired": 8}, Drops: map[string]uint64{"malformed": 9},
		}
	}
	counted := func() signaling.Stats {
		stats := server.Stats()
		stats.Joins, stats.Resumes, stats.Repeats = 5, 2, 1
		stats.Mailbox.Counts[0], stats.Mailbox.Counts[1], stats.Mailbox.Counts[len(stats.Mailbox.Bounds)] = 3, 2, 1
		stats.Mailbox.Sum = 2002
		return stats
	}
	told := func() oneport.Stats {
		return oneport.Stats{Accepted: map[string]uint64{"turns": 10}, Refused: map[string]uint64{"silent": 11}}
	}
	asked := func() RedisStats {
		return RedisStats{Up: true, Steps: signaling.Histogram{Bounds: []float64{.001}, Counts: []uint64{4, 1}, Sum: 2}, Errors: map[string]uint64{"full": 3}}
	}
	checked := func() []relays.Status {
		return []relays.Status{
			{Relay: "a", URL: "turn:a", Up: true, Results: map[string]uint64{"ok": 16, "silent": 17}, Checks: 33, Took: 18 * time.Second},
			{Relay: "a", URL: "turns:a", Up: true, Results: map[string]uint64{"tls": 19}, Checks: 19, Took: time.Second},
			{Relay: "b", URL: "turn:b", Results: map[string]uint64{"unauthorized": 20}, Checks: 20, Took: time.Second},
		}
	}
	w := httptest.NewRecorder()
	Handler("v1", Signaling(counted), Relay(relayed), Port(told), Redis(asked), Relays(checked)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetricsTellTheCounts(t *testing.T) {
	text := scrape(t)
	for _, want := range []string{
		`parley_build_info{version="v1"} 1`,
		`parley_signaling_joins_total{how="new"} 3`, `parley_signaling_joins_total{how="resumed"} 2`, `parley_signaling_joins_total{how="repeated"} 1`,
		`parley_signaling_sessions{link="poll"} 0`, `parley_signaling_link_changes_total{from="none",to="websocket"} 0`,
		`parley_signaling_link_changes_total{from="poll",to="events"} 0`, `parley_signaling_frames_total{direction="up",kind="invalid"} 0`,
		`parley_signaling_frames_total{direction="down",kind="joined"} 0`, `parley_signaling_refusals_total{code="busy"} 0`,
		`parley_signaling_mailbox_frames_bucket{le="0"} 3`, `parley_signaling_mailbox_frames_bucket{le="1"} 5`,
		`parley_signaling_mailbox_frames_bucket{le="1024"} 5`, `parley_signaling_mailbox_frames_bucket{le="+Inf"} 6`,
		`parley_signaling_mailbox_frames_count 6`, `parley_signaling_mailbox_frames_sum 2002`,
		`parley_relay_allocations{transport="tls"} 1`, `parley_relay_allocations_total{transport="tls"} 2`, `parley_relay_connections 10`,
		`parley_relay_bindings_total 11`, `parley_relay_challenges_total 12`, `parley_relay_kernel_drops_total 13`,
		`parley_relay_ports_in_use{family="ipv6",network="udp"} 14`, `parley_relay_ports{family="ipv6",network="udp"} 15`,
		`parley_relay_packets_total{direction="to_peers"} 3`,
		`parley_relay_bytes_total{direction="from_peers"} 6`, `parley_relay_auth_failures_total 7`,
		`parley_port_connections_total{protocol="turns"} 10`, `parley_port_refusals_total{reason="silent"} 11`,
		`parley_redis_up 1`, `parley_redis_errors_total{reason="full"} 3`, `parley_redis_step_seconds_bucket{le="0.001"} 4`, `parley_redis_step_seconds_count 5`,
		`parley_external_relay_up{relay="a"} 1`, `parley_external_relay_up{relay="b"} 0`,
		`parley_external_relay_checks_total{relay="a",result="silent",url="turn:a"} 17`, `parley_external_relay_checks_total{relay="a",result="tls",url="turns:a"} 19`,
		`parley_external_relay_checks_total{relay="b",result="unauthorized",url="turn:b"} 20`,
		`parley_external_relay_check_seconds_sum{relay="a",url="turn:a"} 18`, `parley_external_relay_check_seconds_count{relay="a",url="turn:a"} 33`,
		`parley_relay_refusals_total{reason="expired"} 8`, `parley_relay_drops_total{reason="malformed"} 9`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestTheDocumentsListEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	types := regexp.MustCompile(`(?m)^# TYPE (parley_\S+) (\S+)$`).FindAllStringSubmatch(scrape(t), -1)
	if len(types) < 15 {
		t.Errorf("there are only %d metrics", len(types))
	}
	for _, found := range types {
		if row := fmt.Sprintf("| `%s` | %s |", found[1], found[2]); !strings.Contains(string(text), row) {
			t.Errorf("docs/operations.md has no row %s", row)
		}
	}
	for _, name := range regexp.MustCompile("`(parley_[a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(scrape(t), "# TYPE "+name[1]+" ") {
			t.Errorf("docs/operations.md has %s, which is no metric", name[1])
		}
	}
}
