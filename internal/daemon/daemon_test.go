package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
)

func TestChoosePublic(t *testing.T) {
	tests := map[string]struct {
		found []candidate
		want  string
	}{
		"nothing":                         {nil, "127.0.0.1"},
		"IPv6 only":                       {[]candidate{{"eth0", netip.MustParseAddr("2a01::1")}}, "127.0.0.1"},
		"link local only":                 {[]candidate{{"eth0", netip.MustParseAddr("169.254.1.1")}}, "127.0.0.1"},
		"a private address":               {[]candidate{{"eth0", netip.MustParseAddr("10.0.0.5")}}, "10.0.0.5"},
		"a public one behind a private":   {[]candidate{{"eth0", netip.MustParseAddr("10.0.0.5")}, {"eth1", netip.MustParseAddr("8.8.8.8")}}, "8.8.8.8"},
		"a carrier's before a public one": {[]candidate{{"wan", netip.MustParseAddr("100.64.0.5")}, {"eth1", netip.MustParseAddr("8.8.8.8")}}, "8.8.8.8"},
		"the first of two alike":          {[]candidate{{"eth0", netip.MustParseAddr("10.0.0.5")}, {"eth1", netip.MustParseAddr("10.0.0.6")}}, "10.0.0.5"},
		"a container bridge comes last":   {[]candidate{{"docker0", netip.MustParseAddr("172.17.0.1")}, {"eth0", netip.MustParseAddr("192.168.1.2")}}, "192.168.1.2"},
		"a container bridge alone":        {[]candidate{{"docker0", netip.MustParseAddr("172.17.0.1")}}, "172.17.0.1"},
		"an IPv4 address in IPv6 form":    {[]candidate{{"eth0", netip.MustParseAddr("::ffff:10.0.0.5")}}, "10.0.0.5"},
	}
	for name, test := range tests {
		if got := choosePublic(test.found); got != netip.MustParseAddr(test.want) {
			t.Errorf("%s: got %v, want %s", name, got, test.want)
		}
	}
	if got := PublicIP(); !got.Is4() {
		t.Errorf("PublicIP() = %v, want an IPv4 address", got)
	}
}

func TestListenSaysWhatIsInUse(t *testing.T) {
	tcp, err := ListenTCP("127.0.0.1:0", "--listen")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tcp.Close() }()
	udp, err := ListenUDP("127.0.0.1:0", "--relay-listen")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()

	_, err = ListenTCP(tcp.Addr().String(), "--listen")
	check(t, err, "cannot listen on "+tcp.Addr().String()+"/tcp: address already in use; choose another with --listen or PARLEY_LISTEN")
	_, err = ListenUDP(udp.LocalAddr().String(), "--relay-listen")
	check(t, err, "cannot listen on "+udp.LocalAddr().String()+"/udp: address already in use; choose another with --relay-listen or PARLEY_RELAY_LISTEN")
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v is not EADDRINUSE", err)
	}
}

func TestListenNamesABadAddress(t *testing.T) {
	for _, listen := range []func(string, string) error{
		func(addr, flag string) error { _, err := ListenTCP(addr, flag); return err },
		func(addr, flag string) error { _, err := ListenUDP(addr, flag); return err },
	} {
		for addr, usage := range map[string]bool{
			"nonsense": true, "127.0.0.1:99999": true, ":3478x": true, ":-1": true, "2001:db8::1": true, "": true,
			"198.51.100.7:0": false,
		} {
			err := listen(addr, "--listen")
			if _, is := errors.AsType[*UsageError](err); is != usage {
				t.Errorf("%s: %v is a usage error: %v, want %v", addr, err, is, usage)
			}
			if err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "--listen") {
				t.Errorf("%s: got %v, want an error that names it and the flag", addr, err)
			}
		}
	}
}

func TestHealth(t *testing.T) {
	var health Health
	tests := []struct {
		name, method, path string
		ready              bool
		code               int
		body               string
	}{
		{"alive before it is ready", "GET", "/healthz", false, 200, `{"status":"ok","version":"` + Version() + `"}`},
		{"not ready at first", "GET", "/readyz", false, 503, `{"status":"not ready"}`},
		{"ready when told so", "GET", "/readyz", true, 200, `{"status":"ok"}`},
		{"not ready again", "GET", "/readyz", false, 503, `{"status":"not ready"}`},
		{"HEAD has no body", "HEAD", "/healthz", true, 200, ""},
		{"POST is refused", "POST", "/healthz", true, 405, "method not allowed"},
		{"other paths are not there", "GET", "/healthz/x", true, 404, "404 page not found"},
	}
	for _, test := range tests {
		health.SetReady(test.ready)
		recorder := httptest.NewRecorder()
		var handler http.Handler = &health
		handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil))
		if got := strings.TrimSpace(recorder.Body.String()); recorder.Code != test.code || got != test.body {
			t.Errorf("%s: got %d %q, want %d %q", test.name, recorder.Code, got, test.code, test.body)
		}
		if (test.code == 200 || test.code == 503) && recorder.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control is %q, want no-store", test.name, recorder.Header().Get("Cache-Control"))
		}
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	LogFlags{LogLevel: LogLevel{slog.LevelWarn}, LogFormat: "json"}.Logger(&out).Info("hidden")
	LogFlags{LogLevel: LogLevel{slog.LevelWarn}, LogFormat: "json"}.Logger(&out).Warn("shown", "n", 1)
	var line struct {
		Msg string
		N   int
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Msg != "shown" || line.N != 1 {
		t.Errorf("json: got %q, %v", &out, err)
	}
	out.Reset()
	LogFlags{LogFormat: "text"}.Logger(&out).Info("shown", "n", 1)
	if !strings.Contains(out.String(), "level=INFO msg=shown n=1\n") {
		t.Errorf("text: got %q", &out)
	}
}

func TestVersionOf(t *testing.T) {
	vcs := func(commit, modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: modified}}
	}
	tests := map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"an installed module":     {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3"},
		"a clean checkout":        {debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs("0123456789abcdef", "false")}, "0123456789ab"},
		"a checkout with changes": {debug.BuildInfo{Settings: vcs("0123456789abcdef", "true")}, "0123456789ab+dirty"},
		"a folder without git":    {debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "development"},
		"a short revision":        {debug.BuildInfo{Settings: vcs("0123", "false")}, "0123"},
	}
	for name, test := range tests {
		if got := versionOf(&test.info); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}
