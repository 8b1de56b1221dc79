package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

// What is no Parley server, because the URL is wrong, say, is named at once, and not asked again and again.
func TestJoiningWhatIsNoParleyServer(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]http.HandlerFunc{
		"nothing is there":             http.NotFound,
		"a page is there":              func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Welcome") },
		"a page is shown as the error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>?", http.StatusMethodNotAllowed) },
		"something else in JSON":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"hello":"world"}`) },
		"it says so by a number":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `404`) },
		"it sends to a page":           func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			var asked int
			site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked++; r.URL.Path == "/login" {
					_, _ = io.WriteString(w, "<html>Log in")
					return
				}
				serve(w, r)
			}))
			defer site.Close()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := Join(ctx, site.URL, "lobby", Options{Logger: quiet()})
			var refused *Error
			if !errors.As(err, &refused) || refused.Code != "" || !strings.Contains(err.Error(), "no Parley server answers at "+site.URL) || asked > 2 {
				t.Errorf("after %d requests: %v", asked, err)
			}
		})
	}
}

// While a session lives, a login page or a proxy that has lost its server may answer for a while: then it is joined again later.
func TestJoiningAgainWhileSomethingElseAnswers(t *testing.T) {
	t.Parallel()
	asked := 0
	s := serve(t, signaling.Config{}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch asked++; asked {
			case 1:
				http.NotFound(w, r)
			case 2:
				_, _ = io.WriteString(w, "<html>Log in")
			default:
				next.ServeHTTP(w, r)
			}
		})
	})
	opts, err := Options{Logger: quiet()}.resolved(s.url, "lobby")
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(s.url, "lobby", nil)
	defer a.close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ask := wire.JoinRequest{Instance: opts.Instance}
	if _, err := (joining{api: a, opts: opts, patient: true}).join(ctx, ask); err != nil || asked != 3 {
		t.Errorf("after %d requests: %v", asked, err)
	}
}
