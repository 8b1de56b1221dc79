package signaling_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/signaling"
)

// Who makes up an origin for every request must not fill the log.
func TestRefusedOriginsAreLoggedOnceAndSoMany(t *testing.T) {
	var log logged
	s := serve(t, signaling.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for n := range 2 * 200 {
		res := s.call("GET", "/v1/rooms/lobby/sessions", nil, "Origin", fmt.Sprintf("https://%d.example", n%200))
		if res.status != http.StatusForbidden {
			t.Fatalf("got %d", res.status)
		}
	}
	if lines := strings.Count(log.String(), "origin denied"); lines < 1 || lines > 64 {
		t.Errorf("400 requests from 200 origins are %d lines in the log", lines)
	}
}

func TestAllowOriginAllowsMore(t *testing.T) {
	allow := func(origin string) bool { return origin == "https://now.example" }
	for name, origins := range map[string][]string{"beside the server's own": nil, "beside those given": {"https://app.example"}} {
		s := serve(t, signaling.Config{Origins: origins, AllowOrigin: allow})
		for origin, want := range map[string]int{"https://now.example": http.StatusCreated, "https://then.example": http.StatusForbidden} {
			if _, r := s.try("room", ask(), "Origin", origin); r.status != want {
				t.Errorf("%s: %s: got %d, want %d", name, origin, r.status, want)
			}
		}
	}
}
