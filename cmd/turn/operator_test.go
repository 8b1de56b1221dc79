package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v4"
)

// adminOf returns the URL of what operators are served.
func adminOf(t *testing.T, p *process) string {
	t.Helper()
	found := regexp.MustCompile(`admin +(http://\S+)/metrics`).FindStringSubmatch(p.out.String())
	if found == nil {
		t.Fatalf("it does not say where operators are served:\n%s", p.out)
	}
	return found[1]
}

// ask makes a request and returns its status and body.
func ask(t *testing.T, method, url, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// hold makes an allocation that lives until the test ends.
func hold(t *testing.T, addr, username, password string) (net.PacketConn, error) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	client, err := turn.NewClient(&turn.ClientConfig{TURNServerAddr: addr, Conn: conn, Username: username, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relayed, err := client.Allocate()
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { relayed.Close() })
	return relayed, nil
}

func TestOperatorsAreServed(t *testing.T) {
	const token = "0123456789abcdef"
	p := start(t, map[string]string{"PARLEY_ADMIN_TOKEN": token}, "--listen=127.0.0.1:0", "--public-ip=127.0.0.1",
		"--user=alice:secret", "--user=bob/x:secret", "--log-level=error", "--admin-listen=:0")
	admin := adminOf(t, p)
	relayed, err := hold(t, p.addrs[0], "alice", "secret")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold(t, p.addrs[0], "bob/x", "secret"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, token string
		want                int
		text                string
	}{
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/readyz", "", 200, "ok"},
		{"GET", "/metrics", "", 200, `parley_relay_allocations{transport="udp"} 2`},
		{"GET", "/metrics", "", 200, `parley_relay_ports{family="ipv4",network="udp"} 16384`},
		{"GET", "/debug/pprof/heap?debug=1", "", 401, ""},
		{"GET", "/debug/pprof/heap?debug=1", token, 200, "heap profile"},
		{"GET", "/v1/admin/relay/stats", "", 401, "unauthorized"},
		{"GET", "/v1/admin/relay/stats", token, 200, `"udp":{"live":2,`},
		{"GET", "/v1/admin/relay/allocations", token, 200, `"user":"alice"`},
		{"GET", "/v1/admin/relay/allocations", token, 200, relayed.LocalAddr().String()},
		{"GET", "/v1/admin/relay/allocations?cursor=2", token, 200, `{"allocations":[`},
		{"GET", "/v1/admin/relay/allocations?cursor=x", token, 400, `"bad_field"`},
		{"POST", "/v1/admin/relay/allocations", token, 405, "method_not_allowed"},
		{"DELETE", "/v1/admin/relay/users/bob%2Fx", token, 200, `{"ended":1}`},
		{"DELETE", "/v1/admin/relay/users/bob%2Fx", token, 200, `{"ended":0}`},
		{"DELETE", "/v1/admin/relay/users/" + strings.Repeat("x", 600), token, 400, `"limit":508`},
		{"DELETE", "/v1/admin/relay/users/", token, 404, "not_found"},
		{"GET", "/v1/admin/rooms", token, 404, "not_found"},
	} {
		if status, text := ask(t, c.method, admin+c.path, c.token); status != c.want || !strings.Contains(text, c.text) {
			t.Errorf("%s %s: %d %.300s, want %d %s", c.method, c.path, status, text, c.want, c.text)
		}
	}
	if err := allocate(t, p.addrs[0], "bob/x", "secret"); err == nil {
		t.Error("a revoked user got an allocation")
	}
	_, text := ask(t, "GET", admin+"/v1/admin/relay/allocations", token)
	var reply allocationsReply
	if err := json.Unmarshal([]byte(text), &reply); err != nil || len(reply.Allocations) != 1 || reply.Next != "" {
		t.Errorf("%v; allocations are %s", err, text)
	}
	if _, metrics := ask(t, "GET", admin+"/metrics", ""); strings.Contains(metrics, "alice") {
		t.Error("metrics tell users")
	}
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	p := start(t, nil, "--listen=127.0.0.1:0", "--public-ip=127.0.0.1", "--user=alice:secret", "--log-level=error", "--admin-listen=:0", "--ports=23120-23122")
	admin := adminOf(t, p)
	if status, text := ask(t, "GET", admin+"/healthz", ""); status != 200 {
		t.Fatalf("at first: %d %s", status, text)
	}
	for taken := 0; taken < 3; taken++ { // one may be another program's
		if _, err := hold(t, p.addrs[0], "alice", "secret"); err != nil {
			break
		}
	}
	failing := func(want int, text string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			status, got := ask(t, "GET", admin+"/healthz", "")
			if status == want && strings.Contains(got, text) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d %s, want %d %s", status, got, want, text)
			}
		}
	}
	failing(503, "allocate: Allocate is refused with 508")
	if status, _ := ask(t, "GET", admin+"/readyz", ""); status != 200 {
		t.Errorf("/readyz: %d", status)
	}
	_, metrics := ask(t, "GET", admin+"/metrics", "")
	if !strings.Contains(metrics, `parley_relay_refusals_total{reason="no-port"}`) || !strings.Contains(metrics, `parley_relay_ports_in_use{family="ipv4",network="udp"} 3`) {
		t.Errorf("metrics do not tell:\n%s", regexp.MustCompile(`(?m)^parley_relay.*$`).FindAllString(metrics, -1))
	}
	ask(t, "DELETE", admin+"/v1/admin/relay/users/alice", "")
	failing(200, "ok")
}
