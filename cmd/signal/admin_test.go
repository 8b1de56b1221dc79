package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v4"
)

// adminURL reads where the admin listener is.
func (p *program) adminURL(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`Admin\s+(http://\S+)/metrics`).FindStringSubmatch(p.stdout.String())
	if found == nil {
		t.Fatalf("it prints no admin URL:\n%s", p.stdout)
	}
	return found[1]
}

func request(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestTheAdminListener(t *testing.T) {
	const token = "0123456789abcdef"
	p := start(t, map[string]string{"PARLEY_ADMIN_TOKEN": token}, "--admin-listen", ":0")
	admin := p.adminURL(t)
	if !strings.HasPrefix(admin, "http://127.0.0.1:") {
		t.Errorf("without a host it listens on %s", admin)
	}
	reply := join(t, p.url, "lobby")
	status, text := get(t, admin+"/metrics")
	for _, want := range []string{
		`parley_signaling_joins_total{how="new"} 1`, `parley_signaling_sessions{link="websocket"} 0`, `parley_signaling_join_seconds_count 1`,
		`parley_signaling_refusals_total{code="room_full"} 0`, `parley_relay_allocations{transport="udp"} 0`, `parley_build_info{version="`, "go_goroutines", "process_",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics (%d) do not have %s", status, want)
		}
	}
	if strings.Contains(text, "lobby") || strings.Contains(text, reply.Peer) {
		t.Error("metrics tell rooms or peers")
	}
	room := admin + "/v1/admin/rooms/lobby"
	for _, c := range []struct {
		method, url, token, body string
		want                     int
		text                     string
	}{
		{"GET", admin + "/v1/admin/rooms", "", "", 401, "unauthorized"},
		{"GET", admin + "/v1/admin/rooms", token, "", 200, `{"rooms":["lobby"],"next":""}`},
		{"GET", room + "/peers", token, "", 200, fmt.Sprintf(`"peer":%q`, reply.Peer)},
		{"POST", room + "/signals", token, `{"data":{"hello":1}}`, 204, ""},
		{"GET", admin + "/v1/admin/stats", token, "", 200, `"joins":1`},
		{"DELETE", room + "/peers/" + reply.Peer, token, "", 204, ""},
		{"DELETE", room + "/peers/" + reply.Peer, token, "", 404, "no_peer"},
		{"GET", admin + "/debug/pprof/heap?debug=1", "", "", 401, ""},
		{"GET", admin + "/debug/pprof/heap?debug=1", token, "", 200, "heap profile"},
		{"GET", admin + "/readyz", "", "", 200, "ok"},
	} {
		if status, text := request(t, c.method, c.url, c.token, c.body); status != c.want || !strings.Contains(text, c.text) {
			t.Errorf("%s %s: %d %.200s, want %d %s", c.method, c.url, status, text, c.want, c.text)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/v1/admin/rooms", "/v1/admin/stats"} {
		status, text := request(t, "GET", p.url+path, token, "")
		if status == http.StatusOK && (strings.Contains(text, "parley_") || strings.Contains(text, "goroutine") || strings.Contains(text, "lobby")) || strings.HasPrefix(path, "/v1") && status != 404 {
			t.Errorf("the public listener serves %s: %d %.100s", path, status, text)
		}
	}
}

func TestWithoutItsFlagThereIsNoAdminListener(t *testing.T) {
	p := start(t, nil)
	if strings.Contains(p.stdout.String(), "Admin") {
		t.Errorf("it prints\n%s", p.stdout)
	}
}

func TestOpenModeSaysSoAndLimitsItsRelay(t *testing.T) {
	secret := strings.Repeat("s", 32)
	for name, c := range map[string]struct {
		args []string
		bits int64
		want string // in the log; "": nothing is said
	}{
		"open":                     {nil, 8_000_000, "relay_bits_per_address=8000000"},
		"open, with another limit": {[]string{"--relay-bits-per-address", "1000"}, 1000, "relay_bits_per_address=1000"},
		"open, without a limit":    {[]string{"--relay-bits-per-address", "0"}, 0, "relay_bits_per_address=0"},
		"open, without a relay":    {[]string{"--no-relay"}, 8_000_000, "open mode"},
		"open, with another relay": {[]string{"--turn-url", "turn:relay.example", "--turn-secret", "s"}, 8_000_000, "turn:relay.example"},
		"with tokens":              {[]string{"--jwt-secret", secret}, 0, ""},
		"with tokens and a limit":  {[]string{"--jwt-secret", secret, "--relay-bits-per-address", "5000"}, 5000, ""},
	} {
		f, err := parseFlags(c.args, func(string) string { return "" }, io.Discard)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var log output
		f.warnOpen(slog.New(slog.NewTextHandler(&log, nil)), !f.NoRelay && f.TurnURL == nil)
		said := log.String()
		if f.relayBits() != c.bits || !strings.Contains(said, c.want) || (said == "") != (c.want == "") || strings.Count(said, "\n") > 1 {
			t.Errorf("%s: %d bits, want %d; it says %q", name, f.relayBits(), c.bits, said)
		}
		if strings.Contains(said, "level=WARN") != (c.want != "") {
			t.Errorf("%s: it does not warn: %q", name, said)
		}
	}
}

func TestTheRelayHasTheLimit(t *testing.T) {
	p := start(t, nil, "--relay-bits-per-address", "64000", "--admin-listen", ":0")
	admin := p.adminURL(t)
	allocate := func() net.PacketConn {
		server := join(t, p.url, "room").ICEServers[1]
		addr := strings.TrimSuffix(strings.TrimPrefix(server.URLs[0], "turn:"), "?transport=udp")
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		client, err := turn.NewClient(&turn.ClientConfig{
			TURNServerAddr: addr, Conn: conn, Username: server.Username, Password: server.Credential, Realm: "parley",
		})
		if err == nil {
			err = client.Listen()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close(); conn.Close() })
		relayed, err := client.Allocate()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { relayed.Close() })
		return relayed
	}
	a, b := allocate(), allocate()
	if _, err := b.WriteTo([]byte("let it in"), a.LocalAddr()); err != nil { // for the permission
		t.Fatal(err)
	}
	for range 100 {
		if _, err := a.WriteTo(make([]byte, 1000), b.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	dropped := regexp.MustCompile(`parley_relay_drops_total\{reason="bandwidth"\} [1-9]`)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, text := get(t, admin+"/metrics")
		if dropped.MatchString(text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is dropped")
		}
	}
}
