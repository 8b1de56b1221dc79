package signaling

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/internal/hostname"
	"github.com/parley-rtc/parley/internal/wire"
)

// FuzzPath checks what paths are taken for: whatever is below the prefix, a room has a valid name, and the resource
// written out again is the same one.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/v1/rooms/lobby/sessions", "/v1/rooms/lobby/sessions/abc/ws", "/app/v1/rooms/a.b~c/sessions/x/frames", "/v1/rooms/../sessions", "/v1/rooms/%2e%2e/sessions",
		"/v1/rooms/a%2Fb/sessions/x", "/v1/rooms/sessions/sessions/sessions/sessions", "/v1/rooms//sessions/", "/v1/rooms/a/sessions/%zz", "/v1/rooms/a/v1/rooms/b/sessions",
		"/v1/rooms/", "", "/v1/rooms/a/sessions/x/ws/", "/v1/rooms/%00/sessions",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		res, refusal := parse(path)
		if refusal != nil {
			if refusal.Code != wire.NotFound && refusal.Code != wire.BadRoom {
				t.Errorf("%q is refused by %+v", path, refusal)
			}
			return
		}
		if !wire.ValidRoom(res.room) {
			t.Fatalf("%q is the room %q", path, res.room)
		}
		plain := "/v1/rooms/" + res.room + "/sessions"
		if res.session != "" || res.part != "" {
			plain += "/" + url.PathEscape(res.session)
		}
		if res.part != "" {
			plain += "/" + url.PathEscape(res.part)
		}
		for _, written := range []string{plain, "/some/prefix" + plain} {
			if again, refusal := parse(written); refusal != nil || again != res {
				t.Errorf("%q is %+v, and %q is %+v, %v", path, res, written, again, refusal)
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, query := range []string{"after=3&wait=25&link=1&probe=1", "after=-1", "after=9223372036854775808", "wait=NaN", "wait=1e1", "wait=-0", "wait=0x1p4", "wait=25.0000001", "link=0", "after=%31", "after=1&after=2", "%zz=1", ";"} {
		f.Add(query, "7")
	}
	f.Fuzz(func(t *testing.T, text, header string) {
		query := (&url.URL{RawQuery: text}).Query()
		if after, refusal := parseAfter(query, header); refusal == nil && after < -1 || refusal != nil && refusal.Field != "after" {
			t.Errorf("after of %q and %q is %d, %v", text, header, after, refusal)
		}
		if wait, refusal := parseWait(query); refusal == nil && (wait < 0 || wait > maxWait) || refusal != nil && refusal.Field != "wait" {
			t.Errorf("wait of %q is %v, %v", text, wait, refusal)
		}
		if link, refusal := parseLink(query); refusal == nil && link < 0 || refusal != nil && refusal.Field != "link" {
			t.Errorf("link of %q is %d, %v", text, link, refusal)
		}
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		if token := bearer(r); token != "" && (len(header) < len("Bearer ")+len(token) || !strings.EqualFold(header[:7], "Bearer ") || token != strings.TrimSpace(token)) {
			t.Errorf("the token of %q is %q", header, token)
		}
	})
}

// FuzzOrigin checks that a page of another host is never allowed in, unless it is configured.
func FuzzOrigin(f *testing.F) {
	for _, c := range [][2]string{
		{"http://localhost:8080", "localhost:8080"},
		{"https://app.example", "app.example"},
		{"http://[::1]:80", "[::1]:80"},
		{"null", "null"},
		{"http://a@localhost", "localhost"},
		{"http://LOCALHOST", "localhost"},
		{"https://app.example:443", "app.example"},
		{"http://127.0.0.1.evil.example", "127.0.0.1"},
		{"HTTP://Ä.example", "x"},
		{"//localhost", "localhost"},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, origin, host string) {
		s := &Server{}
		if s.originAllowed(origin, host) {
			u, err := url.Parse(origin)
			if err != nil || !strings.EqualFold(u.Host, host) || !hostname.Own(u.Hostname()) {
				t.Errorf("%q is allowed at %q", origin, host)
			}
		}
		normal, err := normalOrigin(origin)
		if err != nil {
			return
		}
		if again, err := normalOrigin(normal); err != nil || again != normal {
			t.Errorf("%q is %q, and again %q, %v", origin, normal, again, err)
		}
		s.cfg.Origins = []string{normal}
		if !s.originAllowed(normal, host) || normal != "*" && s.originAllowed("https://other.example.invalid", host) && normal != "https://other.example.invalid" {
			t.Errorf("%q lets in what it should not, or not itself", normal)
		}
	})
}
