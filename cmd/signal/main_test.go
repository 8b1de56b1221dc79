package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/internal/wire"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// output is what a program prints, readable while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// program is a running cmd/signal.
type program struct {
	url    string
	stdout *output
	stop   context.CancelFunc // as SIGTERM does
	done   chan error
}

// start runs the program on loopback ports of its own, and stops it with the test.
func start(t *testing.T, env map[string]string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{stdout: &output{}, stop: cancel, done: make(chan error, 1)}
	args = append([]string{"--listen", "127.0.0.1:0", "--relay-listen", "127.0.0.1:0", "--public-ip", "127.0.0.1"}, args...)
	go func() {
		p.done <- run(ctx, args, func(name string) string { return env[name] }, p.stdout)
	}()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		select {
		case err := <-p.done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the program does not stop")
		}
	})
	open := regexp.MustCompile(`(?:Open|Listening)\s+(http://\S+)/|Open\s+(https://\S+:\d+)/`)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found := open.FindStringSubmatch(p.stdout.String()); found != nil {
			p.url = found[1] + found[2]
			return p
		}
		select {
		case err := <-p.done:
			p.done <- nil
			t.Fatalf("run: %v\n%s", err, p.stdout)
		default:
		}
	}
	t.Fatalf("it prints no URL to open:\n%s", p.stdout)
	return nil
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func join(t *testing.T, url, room string) wire.JoinReply {
	t.Helper()
	body := fmt.Sprintf(`{"attempt":"attempt-%022d","instance":"i"}`, time.Now().UnixNano())
	res, err := http.Post(url+"/v1/rooms/"+room+"/sessions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var reply wire.JoinReply
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("join: %s %v", res.Status, err)
	}
	return reply
}

func TestItServesEverythingWithoutConfiguration(t *testing.T) {
	p := start(t, nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := get(t, p.url+path); status != 200 || !strings.Contains(body, "ok") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	check := []string{"--check-health", "--listen", strings.TrimPrefix(p.url, "http://")}
	if err := run(t.Context(), check, func(string) string { return "" }, io.Discard); err != nil {
		t.Errorf("--check-health: %v", err)
	}
	if err := run(t.Context(), []string{"--check-health", "--listen", "127.0.0.1:1"}, func(string) string { return "" }, io.Discard); err == nil {
		t.Error("--check-health finds health where nothing listens")
	}
	if status, body := get(t, p.url+"/"); status != 200 || !strings.Contains(body, "<html") {
		t.Errorf("the editor: %d %.60s", status, body)
	}
	reply := join(t, p.url, "room")
	if len(reply.ICEServers) != 2 || reply.TTL != 12*3600 {
		t.Fatalf("ICE servers are %+v for %v s", reply.ICEServers, reply.TTL)
	}
	turn := reply.ICEServers[1]
	if !strings.HasPrefix(turn.URLs[0], "turn:127.0.0.1:") || turn.Username == "" || turn.Credential == "" {
		t.Errorf("TURN is %+v", turn)
	}
	if strings.Contains(turn.Username, "room") {
		t.Errorf("the user %q tells the room's name, which TURN sends in the clear", turn.Username)
	}
}

func TestExternalTURNInsteadOfTheOwn(t *testing.T) {
	p := start(t, map[string]string{"PARLEY_TURN_SECRET": "s3cret"},
		"--turn-url", "turn:relay.example:3478?transport=udp", "--turn-url", "turns:relay.example:443", "--turn-url", "stun:relay.example")
	reply := join(t, p.url, "room")
	got := fmt.Sprint(reply.ICEServers[0].URLs, reply.ICEServers[1].URLs)
	if want := "[stun:relay.example] [turn:relay.example:3478?transport=udp turns:relay.example:443]"; got != want {
		t.Errorf("ICE servers are %s, want %s", got, want)
	}
	if reply.ICEServers[0].Username != "" || reply.ICEServers[1].Username == "" {
		t.Errorf("credentials are for the wrong servers: %+v", reply.ICEServers)
	}
}

func TestOfSeveralRelaysARoomHasTwo(t *testing.T) {
	p := start(t, map[string]string{"PARLEY_TURN_SECRET": "s3cret", "PARLEY_TURN_URL": "a=turn:127.0.0.1:1,b=turn:127.0.0.1:2,a=turns:localhost:1,c=turn:127.0.0.1:3,stun:127.0.0.1:4"}, "--admin-listen", ":0")
	of := map[string]string{"turn:127.0.0.1:1": "a", "turns:localhost:1": "a", "turn:127.0.0.1:2": "b", "turn:127.0.0.1:3": "c"}
	pairs := make(map[string]bool)
	for i := range 40 {
		room := fmt.Sprint("room", i)
		reply := join(t, p.url, room)
		servers := reply.ICEServers
		if len(servers) != 3 || servers[2].URLs[0] != "stun:127.0.0.1:4" || servers[2].Username != "" {
			t.Fatalf("%s has %+v, want two relays and the STUN server", room, servers)
		}
		for _, s := range servers[:2] {
			if name := of[s.URLs[0]]; len(s.URLs) != map[string]int{"a": 2, "b": 1, "c": 1}[name] || s.Username == "" || s.Credential == "" {
				t.Errorf("%s has %+v", room, s)
			}
		}
		pairs[of[servers[0].URLs[0]]+of[servers[1].URLs[0]]] = true
		if again := join(t, p.url, room); fmt.Sprint(again.ICEServers[0].URLs, again.ICEServers[1].URLs) != fmt.Sprint(servers[0].URLs, servers[1].URLs) {
			t.Errorf("of two peers of %s one has %+v and the other %+v", room, servers, again.ICEServers)
		}
	}
	if len(pairs) != 6 {
		t.Errorf("the rooms have %v, want all pairs", pairs)
	}
	if _, text := get(t, p.adminURL(t)+"/metrics"); !strings.Contains(text, `parley_external_relay_up{relay="a"} 1`) || strings.Contains(text, "parley_relay_") {
		t.Errorf("the metrics are\n%s", text)
	}
	if status, _ := get(t, p.url+"/readyz"); status != 200 {
		t.Errorf("/readyz answers %d since relays do not", status)
	}
	if out := p.stdout.String(); !strings.Contains(out, "Relay      turn:127.0.0.1:1 turns:localhost:1\n") || !strings.Contains(out, "Relay      turn:127.0.0.1:2\n") {
		t.Errorf("it prints\n%s", out)
	}
}

func TestNoRelay(t *testing.T) {
	p := start(t, map[string]string{"PARLEY_NO_RELAY": "true"})
	if reply := join(t, p.url, "room"); len(reply.ICEServers) != 0 {
		t.Errorf("ICE servers are %+v", reply.ICEServers)
	}
	if !strings.Contains(p.stdout.String(), "none") {
		t.Errorf("it does not say that there is no relay:\n%s", p.stdout)
	}
}

func TestThePublicURLIsTheOrigin(t *testing.T) {
	p := start(t, nil, "--public-url", "https://parley.example/", "--allow-origin", "https://app.example")
	for origin, want := range map[string]int{
		"https://parley.example": 201, "https://app.example": 201, "https://evil.example": 403, p.url: 403,
	} {
		body := fmt.Sprintf(`{"attempt":"attempt-%022d","instance":"i"}`, time.Now().UnixNano())
		req, err := http.NewRequest("POST", p.url+"/v1/rooms/r/sessions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", origin)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("from %s: got %d, want %d", origin, res.StatusCode, want)
		}
	}
}

func TestWithASecretJoiningNeedsAToken(t *testing.T) {
	secret := strings.Repeat("s", 32)
	p := start(t, map[string]string{"PARLEY_JWT_SECRET": secret}, "--jwt-audience", "parley")
	encode := base64.RawURLEncoding.EncodeToString
	token := func(rooms string) string {
		text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil,
			`{"sub":"u1","aud":"parley","exp":%d,"rooms":[%q],"can":["join","signal"]}`, time.Now().Add(time.Hour).Unix(), rooms))
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		return text + "." + encode(mac.Sum(nil))
	}
	for authorization, want := range map[string]int{
		"":                              401,
		"Bearer nonsense":               401,
		"Bearer " + token("room*"):      201,
		"Bearer " + token("other-room"): 403,
	} {
		body := fmt.Sprintf(`{"attempt":"attempt-%022d","instance":"i"}`, time.Now().UnixNano())
		req, err := http.NewRequest("POST", p.url+"/v1/rooms/room1/sessions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", authorization)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("with %.20q: got %d, want %d", authorization, res.StatusCode, want)
		}
	}
}

func TestBadFlagsAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want []string // parts of the message
	}{
		"an unknown flag":                   {[]string{"--lisen", ":1"}, []string{"--lisen"}},
		"a public URL that is none":         {[]string{"--public-url", "parley.example"}, []string{"--public-url", "parley.example"}},
		"a public URL with a query":         {[]string{"--public-url", "https://x.example/y?z=1"}, []string{"--public-url", "https://x.example/y?z=1"}},
		"a public URL with a password":      {[]string{"--public-url", "https://me:pass@x.example"}, []string{"--public-url", "https://me:xxxxx@x.example"}},
		"a relay, and none":                 {[]string{"--no-relay", "--turn-url", "stun:relay.example"}, []string{"--no-relay", "--turn-url"}},
		"an empty secret":                   {[]string{"--turn-secret", ""}, []string{"--turn-secret", "empty"}},
		"fewer peers than none":             {[]string{"--max-peers", "-5"}, []string{"--max-peers", "-5", "at least 1"}},
		"a public IP that is none":          {[]string{"--public-ip", "300.1.1.1"}, []string{"--public-ip", "300.1.1.1"}},
		"a public IP of everything":         {[]string{"--public-ip", "0.0.0.0"}, []string{"--public-ip", "0.0.0.0"}},
		"an IPv6 public IP":                 {[]string{"--public-ip", "2001:db8::1"}, []string{"--public-ip", "2001:db8::1", "IPv4"}},
		"a private address of nobody":       {[]string{"--public-ip", "198.51.100.7/192.0.2.9"}, []string{"--public-ip", "198.51.100.7/192.0.2.9", "of this host"}},
		"ports the wrong way round":         {[]string{"--relay-ports", "6000-5000"}, []string{"--relay-ports", "6000-5000"}},
		"ports that are none":               {[]string{"--relay-ports", "1-70000"}, []string{"--relay-ports", "65535"}},
		"a TURN URL that is none":           {[]string{"--turn-url", "http://x", "--turn-secret", "s"}, []string{"--turn-url", `"http://x" is not a URL`}},
		"a TURN URL that is given twice":    {[]string{"--turn-url", "turn:relay.example", "--turn-url", "b=turn:relay.example:3478", "--turn-secret", "s"}, []string{"--turn-url", "given twice", "b=turn:relay.example:3478"}},
		"a TURN URL without its secret":     {[]string{"--turn-url", "turn:relay.example"}, []string{"--turn-secret"}},
		"a log level that is none":          {[]string{"--log-level", "loud"}, []string{"--log-level", "loud", "debug, info, warn and error"}},
		"a log format that is none":         {[]string{"--log-format", "xml"}, []string{"--log-format", "xml"}},
		"an origin with a path":             {[]string{"--allow-origin", "https://a.example/x"}, []string{"--allow-origin", "https://a.example/x"}},
		"an origin that is only a host":     {[]string{"--allow-origin", "a.example"}, []string{"--allow-origin", "a.example"}},
		"a JWT secret that is too short":    {[]string{"--jwt-secret", "short"}, []string{"--jwt-secret", "32"}},
		"keys from a place without TLS":     {[]string{"--jwks-url", "http://keys.example/jwks"}, []string{"--jwks-url", "http"}},
		"a negative bandwidth":              {[]string{"--relay-bits-per-address=-1"}, []string{"--relay-bits-per-address", "-1"}},
		"a bandwidth that is none":          {[]string{"--relay-bits-per-address", "8M"}, []string{"--relay-bits-per-address", "8M"}},
		"an admin address of the network":   {[]string{"--admin-listen", "0.0.0.0:0"}, []string{"--admin-listen", "--admin-token"}},
		"an admin token that is too short":  {[]string{"--admin-listen", ":0", "--admin-token", "short"}, []string{"--admin-token", "16"}},
		"an admin token for nothing":        {[]string{"--admin-token", "0123456789abcdef"}, []string{"--admin-token", "--admin-listen"}},
		"an issuer of no tokens":            {[]string{"--jwt-issuer", "x"}, []string{"--jwt-issuer", "--jwt-secret"}},
		"an address without a colon":        {[]string{"--listen", "8080"}, []string{"--listen", "8080", ":8080"}},
		"an address that cannot be had":     {[]string{"--listen", "192.0.2.77:1"}, []string{"192.0.2.77:1", "--listen"}},
		"an address that is none":           {[]string{"--listen", "nonsense"}, []string{"nonsense", "--listen"}},
		"a frame that is too small":         {[]string{"--max-frame", "10"}, []string{"--max-frame", "10", "1024", "245760"}},
		"a limit of nothing":                {[]string{"--max-peers", "0"}, []string{"--max-peers", "at least 1"}},
		"a limit that is no number":         {[]string{"--join-rate", "many"}, []string{"--join-rate", "many"}},
		"a burst that is too small":         {[]string{"--rate-burst", "1000"}, []string{"--rate-burst", "1000", "524160"}},
		"limits that contradict each other": {[]string{"--max-broadcast", "70000"}, []string{"--max-broadcast", "--max-frame"}},
		"no connections":                    {[]string{"--max-connections=-1"}, []string{"--max-connections", "at least 1"}},
		"a proxy that is none":              {[]string{"--trusted-proxy", "proxy.example"}, []string{"--trusted-proxy", "proxy.example", "10.0.0.0/8"}},
		"the PROXY protocol of nobody":      {[]string{"--proxy-protocol"}, []string{"--proxy-protocol", "--trusted-proxy"}},
		"too many workers":                  {[]string{"--workers", "1000"}, []string{"--workers: must be 0 to 256", "1000"}},
		"TURN on a port without a relay":    {[]string{"--turn-on-listen", "yes", "--no-relay"}, []string{"--turn-on-listen", "--no-relay"}},
		"TURN on a port, or so":             {[]string{"--turn-on-listen", "perhaps"}, []string{"--turn-on-listen", "perhaps"}},
		"a certificate that is not there":   {[]string{"--tls-cert", "/no/cert.pem", "--tls-key", "/no/key.pem"}, []string{"--tls-cert", "/no/cert.pem"}},
		"a certificate for an address":      {[]string{"--acme-domain", "192.0.2.1"}, []string{"--acme-domain", "192.0.2.1"}},
		"a drain of less than no time":      {[]string{"--drain-delay=-1s"}, []string{"--drain-delay is -1s", "0s to 10m0s"}},
		"a drain that is too quick":         {[]string{"--drain-window", "10ms"}, []string{"--drain-window is 10ms", "1s to 1h0m0s"}},
		"a drain of a day":                  {[]string{"--drain-window", "24h"}, []string{"--drain-window is 24h0m0s", "1s to 1h0m0s"}},
		"a time without a unit":             {[]string{"--drain-window", "20"}, []string{"--drain-window", "20"}},
		"links that are old at once":        {[]string{"--max-link-age", "1s"}, []string{"--max-link-age is 1s", "at least 1m0s"}},
		"a web directory that is not there": {[]string{"--web-dir", "/no/such/dir"}, []string{"--web-dir"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			args := append([]string{"--listen", "127.0.0.1:0", "--relay-listen", "127.0.0.1:0"}, c.args...)
			err := run(ctx, args, func(string) string { return "" }, io.Discard)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %s", err, want)
				}
			}
			for _, foreign := range []string{"perhaps try", "Limits.", "JWKSURL", "Secrets["} {
				if strings.Contains(err.Error(), foreign) {
					t.Errorf("%q has %q, which is no word of the flags", err, foreign)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
		})
	}
}

// Who mistypes a flag is told at once, not after strangers were asked for the public address.
func TestFlagsAndFilesAreCheckedBeforeAnybodyIsAsked(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, args := range map[string][]string{
		"a secret file that is not there": {"--turn-secret-file", "/no/secrets"},
		"a certificate that is not there": {"--tls-cert", "/no/cert.pem", "--tls-key", "/no/key.pem"},
		"a JWT secret that is too short":  {"--jwt-secret", "short"},
		"a port in use":                   {"--listen", taken.Addr().String()},
		"an address that is none":         {"--relay-listen", "127.0.0.1:99999"},
	} {
		args = append([]string{"--public-ip", "auto", "--probe-stun", server.LocalAddr().String(), "--listen", "127.0.0.1:0", "--relay-listen", "127.0.0.1:0"}, args...)
		if err := run(t.Context(), args, func(string) string { return "" }, io.Discard); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// What was sent by then has arrived: it is loopback.
	_ = server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, from, err := server.ReadFrom(make([]byte, 1500)); err == nil {
		t.Errorf("the STUN server was asked: %d bytes from %v", n, from)
	}
}

func TestAPortInUseSaysWhichAndWhatToDo(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for flag, c := range map[string]struct{ addr, variable string }{
		"--listen":       {tcp.Addr().String(), "PARLEY_LISTEN"},
		"--relay-listen": {udp.LocalAddr().String(), "PARLEY_RELAY_LISTEN"},
	} {
		args := []string{"--listen", "127.0.0.1:0", "--relay-listen", "127.0.0.1:0", flag, c.addr}
		err := run(t.Context(), args, func(string) string { return "" }, io.Discard)
		for _, want := range []string{c.addr, "in use", flag, c.variable} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v does not say %q", flag, err, want)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--version"}, func(string) string { return "" }, &out); !errors.Is(err, daemon.ErrHelp) {
		t.Errorf("error is %v, want %v", err, daemon.ErrHelp)
	}
	if got := out.String(); !strings.HasPrefix(got, "signal ") {
		t.Errorf("it prints %q", got)
	}
}
