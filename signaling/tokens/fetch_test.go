package tokens

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// failures are the ways in which a key set cannot be had.
var failures = map[string]http.HandlerFunc{
	"the server fails": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, edSet("a"))
	},
	"there is none":        http.NotFound,
	"the reply is garbage": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
	"the reply is empty":   func(http.ResponseWriter, *http.Request) {},
	"the reply is huge": func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, edSet("a"), strings.Repeat(" ", MaxKeySet))
	},
	"the reply does not end": func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, strings.Repeat(" ", 64<<10)); err != nil {
				return
			}
		}
	},
	"the reply is cut": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, edSet("a"))
	},
	"the connection is cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"it is elsewhere, by http": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1/jwks", http.StatusFound)
	},
	"it is nowhere, in circles": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/", http.StatusFound)
	},
}

func TestAFailingFetchKeepsTheKeys(t *testing.T) {
	for name, fails := range failures {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, edSet("a"))
			f := newFixture(t, Config{JWKSURL: i.URL})
			f.clock.landed(t)
			i.do(fails)
			f.clock.advance(RefreshEvery)
			if d := f.clock.landed(t); d != firstRetry {
				t.Errorf("the next fetch is in %v, want %v", d, firstRetry)
			}
			f.expect(t, "a", nil)
			f.expect(t, "b", ErrUnavailable) // it may be in the set that cannot be had

			i.give(edSet("b"))
			f.clock.advance(firstRetry)
			if d := f.clock.landed(t); d != RefreshEvery {
				t.Errorf("the next fetch is in %v, want %v", d, RefreshEvery)
			}
			f.expect(t, "a", ErrUnknownKey)
			f.expect(t, "b", nil)

			f.Close()
			if log := f.log.String(); strings.Count(log, "level=WARN") != 1 || strings.Contains(log, i.URL) {
				t.Errorf("log = %s; want one warning, without the URL", log)
			}
		})
	}
}

func TestWithoutKeysTokensAreUnavailable(t *testing.T) {
	for name, fails := range failures {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, "")
			i.do(fails)
			f := newFixture(t, Config{JWKSURL: i.URL, Secrets: []string{secret}})
			f.expect(t, "a", ErrUnavailable)
			if _, err := f.verify(t, token(head("HS256", ""), good(nil), []byte(secret))); err != nil {
				t.Errorf("a token that needs no key: %v", err)
			}
		})
	}
}

func TestASlowServerIsGivenUp(t *testing.T) {
	i := newIssuer(t, "")
	i.do(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	f := newFixture(t, Config{JWKSURL: i.URL, HTTPClient: &http.Client{Timeout: 50 * time.Millisecond}})
	f.expect(t, "a", ErrUnavailable)
	if d := f.clock.landed(t); d != firstRetry {
		t.Errorf("the next fetch is in %v, want %v", d, firstRetry)
	}
}

func TestAReplyMayBeAsLargeAsTheLimit(t *testing.T) {
	set := edSet("a")
	i := newIssuer(t, set+strings.Repeat(" ", MaxKeySet-len(set)))
	newFixture(t, Config{JWKSURL: i.URL}).expect(t, "a", nil)
}

func TestKeysComeOverTLSOnlyToTheRightServer(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/downgrade" {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			return
		}
		fmt.Fprint(w, edSet("a"))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are meant to fail
	server.StartTLS()
	defer server.Close()
	away := newIssuer(t, "")
	away.do(failures["it is elsewhere, by http"])
	for name, c := range map[string]struct {
		cfg  Config
		want error
		log  string
	}{
		"http that sends elsewhere":     {Config{JWKSURL: away.URL}, ErrUnavailable, "http is only for loopback"},
		"a server that is trusted":      {Config{JWKSURL: server.URL, HTTPClient: server.Client()}, nil, "keys changed"},
		"a server that nobody knows":    {Config{JWKSURL: server.URL}, ErrUnavailable, "certificate"},
		"one that sends back to http":   {Config{JWKSURL: server.URL + "/downgrade", HTTPClient: server.Client()}, ErrUnavailable, "redirect from https to http"},
		"and that whatever http may do": {Config{JWKSURL: server.URL + "/downgrade", HTTPClient: server.Client(), AllowHTTP: true}, ErrUnavailable, "redirect from https to http"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, c.cfg)
			f.expect(t, "a", c.want)
			f.Close()
			if !strings.Contains(f.log.String(), c.log) {
				t.Errorf("log = %s; want %q in it", f.log, c.log)
			}
		})
	}
}

func TestAClientsOwnRedirectRuleHolds(t *testing.T) {
	i := newIssuer(t, "")
	i.do(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/keys", http.StatusFound)
			return
		}
		fmt.Fprint(w, edSet("a"))
	})
	newFixture(t, Config{JWKSURL: i.URL + "/"}).expect(t, "a", nil)
	refuse := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	newFixture(t, Config{JWKSURL: i.URL + "/", HTTPClient: refuse}).expect(t, "a", ErrUnavailable)
}
