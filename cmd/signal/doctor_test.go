package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/doctor"
	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/relay/credentials"
)

func TestDoctorFindsNothingWrongWhereAllIsOpen(t *testing.T) {
	t.Parallel()
	files := newCertFiles(t, "127.0.0.1")
	p := start(t, nil, "--tls-cert", files.cert, "--tls-key", files.key)
	report, err := examined(t, nil, p.url, "--insecure")
	if err != nil {
		t.Errorf("it fails: %v", err)
	}
	ids := map[string]bool{}
	for _, row := range report.Rows {
		id, _, _ := strings.Cut(row.ID, " ")
		ids[id] = true
		odd := row.Outcome == doctor.Fail || row.Outcome == doctor.Warn && !strings.Contains(row.Cause, "certificate") && !strings.Contains(row.Cause, "--insecure")
		if odd || row.Outcome == doctor.Skipped && row.ID != "ipv6" {
			t.Errorf("%s: %+v", row.ID, row)
		}
		if row.Outcome == doctor.Pass && row.Found == "" {
			t.Errorf("%s passes and says nothing", row.ID)
		}
	}
	for _, id := range []string{"server", "tls", "join", "clock", "origin", "websocket", "events", "longpoll", "shortpoll", "post", "stun", "nat", "ipv6", "expiry", "turn", "restart", "resume"} {
		if !ids[id] {
			t.Errorf("there is no row %s", id)
		}
	}
	turns := 0
	for _, row := range report.Rows {
		if strings.HasPrefix(row.ID, "turn ") {
			turns++
			if !strings.Contains(row.Found, "round trip") || !strings.Contains(row.Found, "Mbit/s") || !strings.Contains(row.Found, "packets lost") {
				t.Errorf("%s says %q", row.ID, row.Found)
			}
		}
	}
	if turns != 3 {
		t.Errorf("there are %d rows of TURN, want 3: UDP, TCP, TLS", turns)
	}
	if want := "Peers behind this network will connect directly, and through the relay where the other side cannot."; report.Verdict.Text != want {
		t.Errorf("the verdict is %q, want %q", report.Verdict.Text, want)
	}
	if text := report.Markdown(); strings.Contains(text, "127.0.0.1") || !strings.Contains(text, "127.0.x.x") {
		t.Errorf("addresses are not shortened:\n%s", text)
	}
}

// blocked is a case of something in the way, and what the doctor is to say.
type blocked struct {
	proxy   hostile
	args    []string
	row     string // which fails
	cause   string // in its cause
	verdict string // in the verdict
	works   []string
}

var links = []string{"websocket", "events", "longpoll", "shortpoll", "post"}

func without(row string) []string {
	return slices.DeleteFunc(slices.Clone(links), func(id string) bool { return id == row })
}

func TestDoctorNamesWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"PARLEY_TURN_SECRET": "s3cret", "PARLEY_RELAY_BITS_PER_ADDRESS": "0"})
	keyring, err := credentials.New("s3cret")
	if err != nil {
		t.Fatal(err)
	}
	expired, err := keyring.Mint("late", time.Now().Add(-2*time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	urls := func(server *wire.ICEServer, change func(string) string) {
		for i, u := range server.URLs {
			server.URLs[i] = change(u)
		}
	}
	udp, tcp := deafUDP(t), deafTCP(t)
	deaf := func(alsoTCP bool) func([]wire.ICEServer) []wire.ICEServer {
		return func(servers []wire.ICEServer) []wire.ICEServer {
			for i := range servers {
				urls(&servers[i], func(u string) string {
					switch {
					case strings.HasPrefix(u, "stun:"):
						return "stun:" + udp
					case strings.HasSuffix(u, "=udp"):
						return "turn:" + udp + "?transport=udp"
					case alsoTCP:
						return "turn:" + tcp + "?transport=tcp"
					}
					return u
				})
			}
			return servers
		}
	}
	as := func(username, password string) func([]wire.ICEServer) []wire.ICEServer {
		return func(servers []wire.ICEServer) []wire.ICEServer {
			servers[1].Username, servers[1].Credential = username, password
			return servers
		}
	}
	good, err := keyring.Mint("good", time.Now(), 12*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]blocked{
		"WebSockets are refused": {
			proxy: hostile{webSocket: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }},
			row:   "websocket", cause: "refused with status 403 by something on the way", verdict: "; signaling goes by server-sent events, since WebSockets are refused.", works: without("websocket"),
		},
		"a proxy takes Upgrade out": {
			proxy: hostile{webSocket: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) }},
			row:   "websocket", cause: "status 426: a proxy on the way takes the header Upgrade out", verdict: "since WebSockets are refused.", works: without("websocket"),
		},
		"WebSockets hang": {
			proxy: hostile{webSocket: swallow},
			row:   "websocket", cause: "hanging: ", verdict: "; signaling goes by server-sent events, since WebSockets hang.", works: without("websocket"),
		},
		"WebSockets open and are silent": {
			proxy: hostile{webSocket: openSilently},
			row:   "websocket", cause: "it opens, and then nothing comes", verdict: "since WebSockets go silent.", works: without("websocket"),
		},
		"events are buffered": {
			proxy: hostile{buffered: true},
			row:   "events", cause: "buffered: ", verdict: "will connect directly, and through the relay", works: without("events"),
		},
		"polls are cut": {
			proxy: hostile{cut: 400 * time.Millisecond},
			row:   "longpoll", cause: "cut: a poll that may wait 1.0 s is answered with status 504", verdict: "will connect directly", works: without("longpoll"),
		},
		"nothing but short GETs and POSTs passes": {
			proxy: hostile{webSocket: swallow, buffered: true, cut: 400 * time.Millisecond},
			row:   "longpoll", cause: "cut: ", verdict: "; signaling goes by short polls, since WebSockets hang and server-sent events are held back and long polls are cut.", works: []string{"shortpoll", "post", "resume"},
		},
		"the clock is wrong": {
			proxy: hostile{skew: 20 * time.Minute},
			row:   "clock", cause: "this host's clock is 20m0s behind the server's", verdict: "will connect directly", works: links,
		},
		"UDP is blocked": {
			proxy: hostile{ice: deaf(false)},
			row:   "stun", cause: "STUN binding: no answer", verdict: "only through the relay over TCP, since UDP is blocked.", works: append(slices.Clone(links), "restart"),
		},
		"UDP is blocked for TURN": {
			proxy: hostile{ice: deaf(false)},
			row:   "turn", cause: "STUN binding: no answer", verdict: "over TCP, since UDP is blocked.", works: links,
		},
		"UDP and TURN over TCP are blocked": {
			proxy: hostile{ice: deaf(true)},
			row:   "turn turn:127.0.x.x:" + tcp[len("127.0.0.1:"):] + "?transport=tcp", cause: "no answer", verdict: "only through the server, since UDP is blocked and no relay works.", works: append(slices.Clone(links), "restart"),
		},
		"credentials have expired": {
			proxy: hostile{ice: as(expired.Username, expired.Password)},
			row:   "expiry", cause: "expired 1h0m", verdict: "only through the server, since no relay works", works: links,
		},
		"credentials are another relay's": {
			proxy: hostile{ice: as(good.Username, "c29tZXRoaW5nIGVsc2U=")},
			row:   "turn", cause: "allocate: Allocate is refused with 401", verdict: "since no relay works", works: append(slices.Clone(links), "stun", "expiry"),
		},
		"the page's origin may not": {
			args: []string{"--origin", "https://elsewhere.example"},
			row:  "origin", cause: "pages of https://elsewhere.example (https://elsewhere.example) may not use the server", verdict: "will connect directly", works: links,
		},
	}
	reports := map[string]func() (doctor.Report, error){}
	for name, c := range cases {
		reports[name] = examinedLater(t, nil, append([]string{c.proxy.front(t, p)}, c.args...)...)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			report, err := reports[name]()
			row := rowOf(t, report, c.row)
			if row.Outcome != doctor.Fail || !strings.Contains(row.Cause, c.cause) || row.Cure == "" {
				t.Errorf("the row is %+v, want a failure with %q", row, c.cause)
			}
			if !strings.Contains(report.Verdict.Text, c.verdict) {
				t.Errorf("the verdict is %q, want %q in it", report.Verdict.Text, c.verdict)
			}
			for _, id := range c.works {
				if row := rowOf(t, report, id); row.Outcome != doctor.Pass {
					t.Errorf("%s: %+v", id, row)
				}
			}
			if err == nil || !strings.HasPrefix(err.Error(), "failed: ") || !strings.Contains(err.Error(), strings.SplitN(row.Title, ",", 2)[0]) {
				t.Errorf("it ends with %v, want the title of the row", err)
			}
		})
	}
}

func TestDoctorSaysWhyTheServerIsNotThere(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down := "http://" + listener.Addr().String()
	listener.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Proxy-Authenticate", "Basic")
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(refusing.Close)
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Log in first") }))
	t.Cleanup(portal.Close)
	website := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(website.Close)
	files := newCertFiles(t, "other.example")
	secured := start(t, nil, "--tls-cert", files.cert, "--tls-key", files.key)
	const secret = "a secret of at least thirty-two bytes"
	closed := start(t, nil, "--jwt-secret", secret)
	clear := start(t, nil)
	cases := map[string]struct {
		url        string
		env        map[string]string
		args       []string
		row, cause string
	}{
		"nobody listens":                    {url: down, row: "server", cause: "nothing listens at 127.0.x.x:"},
		"nobody answers":                    {url: "http://" + deafTCP(t), row: "server", cause: "no answer from 127.0.x.x:"},
		"a login page answers":              {url: portal.URL, row: "join", cause: "the answer to the join is not a Parley server's"},
		"the certificate is another's":      {url: "https://127.0.0.1:" + secured.port(t), row: "server", cause: "the certificate is for another name"},
		"https is spoken to where http is":  {url: "https" + strings.TrimPrefix(clear.url, "http"), row: "server", cause: "the connection is closed when TLS begins"},
		"a token is missing":                {url: closed.url, row: "join", cause: "the server asks for an app token"},
		"the token is no good":              {url: closed.url, args: []string{"--token=a.b.c"}, row: "join", cause: "the server does not take the token"},
		"the HTTP proxy is not there":       {url: "http://parley.test", env: map[string]string{"HTTP_PROXY": down}, row: "server", cause: "the HTTP proxy 127.0.x.x:"},
		"the HTTP proxy wants a password":   {url: "http://parley.test", env: map[string]string{"http_proxy": refusing.URL}, row: "server", cause: "the HTTP proxy asks for a password (407)"},
		"the name is known to nobody":       {url: "http://parley.invalid", row: "server", cause: "the name parley.invalid is not found"},
		"the proxy does not let https pass": {url: "https://parley.test", env: map[string]string{"HTTPS_PROXY": portal.URL}, row: "server", cause: "the HTTP proxy 127.0.x.x:"},
	}
	reports := map[string]func() (doctor.Report, error){}
	for name, c := range cases {
		reports[name] = examinedLater(t, c.env, append(c.args, c.url)...)
	}
	token := examinedLater(t, map[string]string{"PARLEY_TOKEN": tokenOf(secret)}, closed.url, "--room=lobby")
	proxy := httptest.NewServer(connectProxy(strings.TrimPrefix(clear.url, "http://")))
	t.Cleanup(proxy.Close)
	elsewhere := examinedLater(t, nil, website.URL)
	proxied := examinedLater(t, map[string]string{"HTTP_PROXY": proxy.URL, "HTTPS_PROXY": proxy.URL}, "http://parley.test")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			report, err := reports[name]()
			if row := rowOf(t, report, c.row); row.Outcome != doctor.Fail || !strings.Contains(row.Cause, c.cause) || row.Cure == "" {
				t.Errorf("the row is %+v, want a failure with %q", row, c.cause)
			}
			if !strings.HasPrefix(report.Verdict.Text, "Nobody can connect from here, since the server ") || report.Verdict.Path != "none" {
				t.Errorf("the verdict is %+v", report.Verdict)
			}
			if row := rowOf(t, report, "resume"); row.Outcome != doctor.Skipped {
				t.Errorf("what cannot be tried is %+v", row)
			}
			if err == nil {
				t.Error("it ends well")
			}
		})
	}
	t.Run("a server that is none is not called one", func(t *testing.T) {
		report, err := elsewhere()
		if row := rowOf(t, report, "server"); row.Outcome != doctor.Warn || !strings.Contains(row.Cause, "not a Parley server") || err == nil {
			t.Errorf("the row is %+v, and it ends with %v", row, err)
		}
	})
	t.Run("a token lets it in", func(t *testing.T) {
		report, err := token()
		if err != nil || report.Verdict.Path != "direct" {
			t.Errorf("it ends with %v, and %+v", err, report.Verdict)
		}
	})
	t.Run("an HTTP proxy that works is named", func(t *testing.T) {
		report, err := proxied()
		if row := rowOf(t, report, "server"); !strings.Contains(row.Found, "through the HTTP proxy 127.0.x.x:") || err != nil {
			t.Errorf("the row is %+v, and it ends with %v", row, err)
		}
		if row := rowOf(t, report, "websocket"); row.Outcome != doctor.Pass {
			t.Errorf("the WebSocket is %+v", row)
		}
	})
}

func TestDoctorTellsThatTheRelaysCertificateIsWrong(t *testing.T) {
	t.Parallel()
	files := newCertFiles(t, "other.example")
	relay := start(t, map[string]string{"PARLEY_TURN_SECRET": "s3cret"}, "--tls-cert", files.cert, "--tls-key", files.key)
	p := start(t, map[string]string{"PARLEY_TURN_SECRET": "s3cret"})
	url := "turns:127.0.0.1:" + relay.port(t) + "?transport=tcp"
	proxy := hostile{ice: func(servers []wire.ICEServer) []wire.ICEServer {
		servers[1].URLs = append(servers[1].URLs, url)
		return servers
	}}
	report, err := examined(t, nil, proxy.front(t, p))
	row := rowOf(t, report, strings.Replace("turn "+url, "127.0.0.1", "127.0.x.x", 1))
	if row.Outcome != doctor.Fail || !strings.Contains(row.Cause, "TLS handshake: ") || !strings.Contains(row.Cure, "the certificate is for another name") || err == nil {
		t.Errorf("the row is %+v, and it ends with %v", row, err)
	}
	if !strings.Contains(report.Verdict.Text, "directly, and through the relay") {
		t.Errorf("the verdict is %q", report.Verdict.Text)
	}
}

func TestDoctorOnATerminal(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"doctor", "--hold=1s", p.url}, func(string) string { return "" }, &out); err != nil {
		t.Errorf("it fails: %v", err)
	}
	for _, want := range []string{"\nSignaling, each kind of link alone\n  ok    WebSocket ", "\nWhat lasts\n", "\n\nPeers behind this network will connect directly, "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not print %q:\n%s", want, &out)
		}
	}
}

func TestDoctorRefusesWhatItCannotDo(t *testing.T) {
	for want, args := range map[string][]string{
		`"ftp://x" is not a URL like https://parley.example`: {"ftp://x"},
		"has more than a host and a path":                    {"https://x/?a=b"},
		"the room \"two words\" is not":                      {"https://x", "--room", "two words"},
		"--timeout: 1h0m0s is not 100ms to 1m":               {"https://x", "--timeout", "1h"},
		"--timeout: 0s is not 100ms to 1m":                   {"https://x", "--timeout", "0s"},
		"--timeout: -1s is not 100ms to 1m":                  {"https://x", "--timeout=-1s"},
		"--hold: 1m0s is not 1s to 25s":                      {"https://x", "--hold", "1m"},
		"--hold: 0s is not 1s to 25s":                        {"https://x", "--hold", "0s"},
		"the token has characters":                           {"https://x", "--token", "a b"},
		`the origin "x" is not one like`:                     {"https://x", "--origin", "x"},
		"--json, --markdown: give one of them":               {"https://x", "--json", "--markdown"},
		"expected \"<url>\"":                                 {},
	} {
		err := run(t.Context(), append([]string{"doctor"}, args...), func(string) string { return "" }, io.Discard)
		usage, ok := errors.AsType[*daemon.UsageError](err)
		if !ok || !strings.Contains(err.Error(), want) || usage.Program != "signal doctor" {
			t.Errorf("%v: %v, want a usage error with %q", args, err, want)
		}
	}
}

func TestDoctorCanBeBrokenOff(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := run(ctx, []string{"doctor", "http://" + deafTCP(t)}, func(string) string { return "" }, io.Discard)
	if err == nil || time.Since(began) > 4*time.Second {
		t.Errorf("it ends with %v after %v", err, time.Since(began))
	}
}

// connectProxy is an HTTP proxy that leads everything to one address.
func connectProxy(to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", to
			res, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			defer res.Body.Close()
			for name, values := range res.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(res.StatusCode)
			flushed := http.NewResponseController(w)
			for buf := make([]byte, 4096); ; {
				n, err := res.Body.Read(buf)
				_, _ = w.Write(buf[:n])
				_ = flushed.Flush()
				if err != nil {
					return
				}
			}
		}
		out, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer out.Close()
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer in.Close()
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(out, in)
			out.Close()
		}()
		_, _ = io.Copy(in, out)
		in.Close()
		<-done
	})
}
