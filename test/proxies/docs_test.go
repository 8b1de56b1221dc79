package proxies

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
)

// documented returns the configuration that docs/operations.md has for a program, for addresses and
// certificates of the test's.
func documented(t *testing.T, program string) string {
	t.Helper()
	const file = "../../docs/operations.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "\n```"+program+"\n")
	block, _, closed := strings.Cut(block, "\n```\n")
	if !found || !closed {
		t.Fatalf("%s has no block of %s", file, program)
	}
	return strings.NewReplacer(
		"127.0.0.1:8080", "BACKEND",
		"listen 443 ", "listen LISTEN ",
		"bind :443 ", "bind LISTEN ",
		"/etc/ssl/rtc.example.pem", "DIR/cert.pem",
		"/etc/ssl/rtc.example.key", "DIR/key.pem",
		"/etc/haproxy/rtc.example.pem", "DIR/both.pem",
	).Replace(block)
}

// What docs/operations.md has lets streams on which nothing happens live, and polls wait as long as they may.
func TestWhatIsSilentLivesBehindTheDocumentedProxies(t *testing.T) {
	t.Parallel()
	const silence = 28 * time.Second // longer than a heartbeat, and than the longest poll
	to := serve(t)
	t.Run("proxies", func(t *testing.T) {
		for _, program := range []string{nginx, haproxy} {
			f := start(t, to, program, documented(t, program))
			url := "https://" + f.addr
			for _, kind := range []client.Link{client.WebSocket, client.Events} {
				t.Run(program+", "+kind.String(), func(t *testing.T) {
					t.Parallel()
					m := join(t, url, kind.String()+"-"+program, client.Options{Link: kind, HTTPClient: to.client(t)})
					m.settle(kind, silence)
					m.mu.Lock()
					defer m.mu.Unlock()
					if len(m.links) != 1 {
						t.Errorf("the link was cut:\n%s", strings.Join(m.tale, "\n"))
					}
				})
			}
			t.Run(program+", long poll", func(t *testing.T) {
				t.Parallel()
				longPoll(t, to.client(t), url+"/v1/rooms/polls-"+program+"/sessions")
			})
		}
	})
}

// longPoll joins, and polls for as long as a poll may wait.
func longPoll(t *testing.T, via *http.Client, sessions string) {
	t.Helper()
	join := `{"attempt": "` + rand.Text() + `", "instance": "1"}`
	res, err := via.Post(sessions, "application/json", strings.NewReader(join))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var session struct{ Session, Secret string }
	if err := json.NewDecoder(res.Body).Decode(&session); err != nil {
		t.Fatal(err)
	}
	poll, err := http.NewRequestWithContext(t.Context(), http.MethodGet, sessions+"/"+session.Session+"/frames?wait=25", nil)
	if err != nil {
		t.Fatal(err)
	}
	poll.Header.Set("Authorization", "Bearer "+session.Secret)
	began := time.Now()
	if res, err = via.Do(poll); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if took := time.Since(began); err != nil || res.StatusCode != http.StatusOK || took < 24*time.Second {
		t.Errorf("a poll of 25 s was answered %d %s after %v (%v)", res.StatusCode, body, took, err)
	}
}
