package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestAdminFlags(t *testing.T) {
	const token = "a token of some length"
	good := strings.ReplaceAll(token, " ", "-")
	for name, c := range map[string]struct {
		listen, token string
		want          string // the address, or a part of the error
	}{
		"nothing":                                {"", "", ""},
		"a port alone is on loopback":            {":9090", "", "127.0.0.1:9090"},
		"loopback":                               {"127.0.0.1:9090", "", "127.0.0.1:9090"},
		"loopback of IPv6":                       {"[::1]:9090", "", "[::1]:9090"},
		"localhost":                              {"localhost:9090", good, "localhost:9090"},
		"everywhere, with a token":               {"0.0.0.0:9090", good, "0.0.0.0:9090"},
		"everywhere, without":                    {"0.0.0.0:9090", "", "--admin-token"},
		"everywhere of IPv6, without":            {"[::]:9090", "", "--admin-token"},
		"an address of the network, without":     {"192.0.2.1:9090", "", "--admin-token"},
		"a name, without":                        {"admin.example:9090", "", "--admin-token"},
		"no address":                             {"9090", "", "--admin-listen"},
		"a token that is too short":              {":9090", "short", "16"},
		"a token that cannot be sent":            {":9090", token, "--admin-token"},
		"a token for a listener that is not one": {"", good, "--admin-listen"},
	} {
		f := AdminFlags{AdminListen: c.listen, AdminToken: c.token}
		err := f.CheckAdmin()
		_, usage := errors.AsType[*UsageError](err)
		switch {
		case err != nil && (!usage || !strings.Contains(err.Error(), c.want) || c.want == ""):
			t.Errorf("%s: error is %v", name, err)
		case err == nil && f.AdminListen != c.want:
			t.Errorf("%s: got %q, want %q", name, f.AdminListen, c.want)
		case err != nil && c.token != "" && strings.Contains(err.Error(), c.token):
			t.Errorf("%s: %v tells the token", name, err)
		}
	}
}

// operate serves an Admin whose handlers answer with their names, and returns its URL.
func operate(t *testing.T, token string) string {
	t.Helper()
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	f := AdminFlags{AdminListen: ":0", AdminToken: token}
	if err := f.CheckAdmin(); err != nil {
		t.Fatal(err)
	}
	listener, err := f.ListenAdmin()
	if err != nil {
		t.Fatal(err)
	}
	health := &Health{}
	health.SetReady(true)
	server := f.AdminServer(Admin{Health: health, Metrics: named("metrics"), API: named("api")}, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

func TestWhoGetsToTheAdminListener(t *testing.T) {
	const token = "an-admin-token-of-27-bytes."
	open, closed := operate(t, ""), operate(t, token)
	const right = "Bearer " + token
	for name, c := range map[string]struct {
		url, path, method string
		header            [2]string
		want              int
		body              string
	}{
		"health":                             {open, "/healthz", "GET", [2]string{}, 200, "ok"},
		"readiness":                          {closed, "/readyz", "GET", [2]string{}, 200, "ok"},
		"metrics":                            {open, "/metrics", "GET", [2]string{}, 200, "metrics"},
		"metrics need no token":              {closed, "/metrics", "GET", [2]string{}, 200, "metrics"},
		"metrics are only read":              {open, "/metrics", "POST", [2]string{}, 405, ""},
		"the API, without a token to ask":    {open, "/v1/admin/rooms", "DELETE", [2]string{}, 200, "api"},
		"the API, without the token":         {closed, "/v1/admin/rooms", "GET", [2]string{}, 401, `"code":"unauthorized"`},
		"the API, with a wrong one":          {closed, "/v1/admin/rooms", "GET", [2]string{"Authorization", right + "x"}, 401, ""},
		"the API, with a part of it":         {closed, "/v1/admin/rooms", "GET", [2]string{"Authorization", right[:20]}, 401, ""},
		"the API, with an empty one":         {closed, "/v1/admin/rooms", "GET", [2]string{"Authorization", "Bearer "}, 401, ""},
		"the API, in another scheme":         {closed, "/v1/admin/rooms", "GET", [2]string{"Authorization", "Basic " + token}, 401, ""},
		"the API, with the token":            {closed, "/v1/admin/rooms", "POST", [2]string{"Authorization", right}, 200, "api"},
		"profiles, without the token":        {closed, "/debug/pprof/", "GET", [2]string{}, 401, ""},
		"a profile, without the token":       {closed, "/debug/pprof/heap", "GET", [2]string{}, 401, ""},
		"profiles, with it":                  {closed, "/debug/pprof/", "GET", [2]string{"Authorization", right}, 200, "goroutine"},
		"profiles, without a token to ask":   {open, "/debug/pprof/cmdline", "GET", [2]string{}, 200, ""},
		"what is not there":                  {open, "/", "GET", [2]string{}, 404, ""},
		"signaling is elsewhere":             {open, "/v1/rooms/r/sessions", "POST", [2]string{}, 404, ""},
		"a page":                             {open, "/metrics", "GET", [2]string{"Origin", open}, 403, "origin_denied"},
		"a page, even with the token":        {closed, "/v1/admin/rooms", "POST", [2]string{"Origin", "https://evil.example"}, 403, ""},
		"an image of another site":           {open, "/debug/pprof/profile", "GET", [2]string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		"an image of a neighbour":            {open, "/debug/pprof/profile", "GET", [2]string{"Sec-Fetch-Site", "same-site"}, 403, ""},
		"an address typed into a browser":    {open, "/metrics", "GET", [2]string{"Sec-Fetch-Site", "none"}, 200, ""},
		"a name that a stranger points here": {open, "/v1/admin/rooms", "GET", [2]string{"Host", "evil.example"}, 403, "origin_denied"},
		"its metrics":                        {closed, "/metrics", "GET", [2]string{"Host", "evil.example:9090"}, 403, ""},
		"a name of a local network":          {open, "/metrics", "GET", [2]string{"Host", "parley:9090"}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(context.Background(), c.method, c.url+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.header[0] == "Host" {
				req.Host = c.header[1]
			} else if c.header[0] != "" {
				req.Header.Set(c.header[0], c.header[1])
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != c.want || !strings.Contains(string(body), c.body) {
				t.Errorf("got %d %.100s, %v; want %d with %q", res.StatusCode, body, err, c.want, c.body)
			}
			if res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("pages may read it")
			}
		})
	}
	t.Run("a name with a dot, with the token", func(t *testing.T) {
		req, err := http.NewRequestWithContext(context.Background(), "GET", closed+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "admin.parley.example"
		req.Header.Set("Authorization", right)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("got %d", res.StatusCode)
		}
	})
}
