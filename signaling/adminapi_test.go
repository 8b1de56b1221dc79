package signaling_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

// administer puts a server's admin handler on a port of its own, below a prefix.
func administer(s *service) *service {
	s.Helper()
	front := httptest.NewServer(s.AdminHandler())
	s.Cleanup(front.Close)
	return &service{s.T, s.Server, front.URL + "/ops"}
}

func TestOperatorsDoTheSameByHTTP(t *testing.T) {
	var mu sync.Mutex
	var kicked []signaling.Event
	s := serve(t, signaling.Config{Observe: func(e signaling.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == signaling.SessionKicked {
			kicked = append(kicked, e)
		}
	}})
	admin := administer(s)
	alice := s.join("room", as("alice"), func(r *wire.JoinRequest) { r.Name = "Alice" })
	bob := s.join("room", as("bob"))
	toAlice, toBob := alice.linked("events", -1), bob.linked("websocket", -1)
	toAlice.next()

	read := func(path string, into any) {
		t.Helper()
		r := admin.call("GET", path, nil)
		if r.status != http.StatusOK || r.header.Get("Cache-Control") != "no-store" || r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", path, r.status, r.header)
		}
		if err := json.Unmarshal(r.body, into); err != nil {
			t.Errorf("%s: %s: %v", path, r.body, err)
		}
	}
	var rooms wire.RoomsReply
	if read("/v1/admin/rooms?cursor=", &rooms); fmt.Sprint(rooms) != "{[room] }" {
		t.Errorf("rooms are %v", rooms)
	}
	if read("/v1/admin/rooms?cursor=room", &rooms); rooms.Rooms == nil || len(rooms.Rooms) != 0 {
		t.Errorf("rooms after the last are %v", rooms)
	}
	var peers wire.PeersReply
	if read("/v1/admin/rooms/room/peers", &peers); len(peers.Peers) != 2 || peers.Peers[0].Peer != "alice" ||
		peers.Peers[0].Name != "Alice" || peers.Peers[1].Epoch != bob.Epoch || peers.Peers[1].Presence != "here" {
		t.Errorf("peers are %+v", peers)
	}
	if read("/v1/admin/rooms/empty/peers", &peers); len(peers.Peers) != 0 {
		t.Errorf("peers of an empty room are %+v", peers)
	}
	send := func(body string) reply {
		return admin.call("POST", "/v1/admin/rooms/room/signals", []byte(body), "Content-Type", asJSON)
	}
	if r := send(`{"peer":"alice","data":{"to":"one"}}`); r.status != http.StatusNoContent {
		t.Errorf("send: %d %s", r.status, r.body)
	}
	if r := send(`{"data":"to all"}`); r.status != http.StatusNoContent {
		t.Errorf("send to all: %d %s", r.status, r.body)
	}
	for _, want := range []string{`{"to":"one"}`, `"to all"`} {
		if f := toAlice.next(); string(f.Data) != want || f.From != "" {
			t.Errorf("alice got %+v, want %s", f, want)
		}
	}
	if f := toBob.next(); string(f.Data) != `"to all"` {
		t.Errorf("bob got %+v", f)
	}
	if r := admin.call("DELETE", "/v1/admin/rooms/room/peers/alice", nil); r.status != http.StatusNoContent {
		t.Errorf("kick: %d %s", r.status, r.body)
	}
	if code := toAlice.ends(); code != wire.Kicked {
		t.Errorf("alice's link ends as %q, want kicked", code)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(kicked) != 1 || kicked[0].Peer != "alice" || kicked[0].Room != "room" || kicked[0].Session != alice.Session {
		t.Errorf("told of kicks: %+v", kicked)
	}
	var stats signaling.Stats
	if read("/v1/admin/stats", &stats); stats.Joins != 2 || stats.Sessions["websocket"] != 1 || stats.DownByKind["signal"] != 3 {
		t.Errorf("stats are %+v", stats)
	}
}

func TestOperatorsAreRefusedWhatCannotBe(t *testing.T) {
	s := serve(t, signaling.Config{Limits: signaling.Limits{Frame: 2048, Broadcast: 1024, MailboxFrames: 16}})
	admin := administer(s)
	s.join("room", as("alice"))
	large := `"` + strings.Repeat("x", 2047) + `"`
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		want               wire.Code
		allow, field       string
	}{
		"another method of rooms":   {"POST", "/rooms", `{}`, nil, wire.BadMethod, "GET", ""},
		"another method of peers":   {"DELETE", "/rooms/room/peers", ``, nil, wire.BadMethod, "GET", ""},
		"another method of signals": {"GET", "/rooms/room/signals", ``, nil, wire.BadMethod, "POST", ""},
		"another method of a peer":  {"GET", "/rooms/room/peers/alice", ``, nil, wire.BadMethod, "DELETE", ""},
		"another method of stats":   {"PUT", "/stats", ``, nil, wire.BadMethod, "GET", ""},
		"a resource that is none":   {"GET", "/room", ``, nil, wire.NotFound, "", ""},
		"a room alone":              {"GET", "/rooms/room", ``, nil, wire.NotFound, "", ""},
		"something below a peer":    {"DELETE", "/rooms/room/peers/alice/x", ``, nil, wire.NotFound, "", ""},
		"a room that is none":       {"GET", "/rooms/a%2Fb/peers", ``, nil, wire.BadRoom, "", "room"},
		"a peer id that is none":    {"DELETE", "/rooms/room/peers/a%20b", ``, nil, wire.BadField, "", "peer"},
		"nobody to kick":            {"DELETE", "/rooms/room/peers/bob", ``, nil, wire.NoPeer, "", ""},
		"nobody to signal":          {"POST", "/rooms/room/signals", `{"peer":"bob","data":1}`, nil, wire.NoPeer, "", ""},
		"an empty room to signal":   {"POST", "/rooms/empty/signals", `{"data":1}`, nil, wire.NoPeer, "", ""},
		"a signal to what is none":  {"POST", "/rooms/room/signals", `{"peer":"a b","data":1}`, nil, wire.BadField, "", "peer"},
		"a signal of nothing":       {"POST", "/rooms/room/signals", `{"peer":"alice"}`, nil, wire.BadField, "", "data"},
		"a signal that is too long": {"POST", "/rooms/room/signals", `{"data":` + large + `}`, nil, wire.DataTooLarge, "", "data"},
		"a body that is too long":   {"POST", "/rooms/room/signals", strings.Repeat(" ", 20<<10), nil, wire.BodyTooLarge, "", ""},
		"a body that is none":       {"POST", "/rooms/room/signals", `{"data":`, nil, wire.BadRequest, "", ""},
		"a field that is none":      {"POST", "/rooms/room/signals", `{"data":1,"too":1}`, nil, wire.UnknownField, "", ""},
		"a body that is not JSON":   {"POST", "/rooms/room/signals", `{"data":1}`, []string{"Content-Type", "text/plain"}, wire.NotJSON, "", "Content-Type"},
		"a cursor that is none":     {"GET", "/rooms?cursor=" + strings.Repeat("x", 600), ``, nil, wire.BadField, "", "cursor"},
		"a page of another site":    {"GET", "/rooms", ``, []string{"Origin", "https://evil.example"}, wire.OriginDenied, "", ""},
		"even of the same":          {"DELETE", "/rooms/room/peers/alice", ``, []string{"Origin", admin.url}, wire.OriginDenied, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			header := c.header
			if header == nil {
				header = []string{"Content-Type", asJSON}
			}
			r := admin.call(c.method, "/v1/admin"+c.path, []byte(c.body), header...)
			refusal := r.refusal()
			if refusal.Code != c.want || r.status != c.want.Row().Status || r.header.Get("Allow") != c.allow || c.field != "" && refusal.Field != c.field {
				t.Errorf("got %d %s Allow %q, want %s %q", r.status, r.body, r.header.Get("Allow"), c.want, c.field)
			}
		})
	}
	var last reply
	for range 32 { // alice reads nothing
		last = admin.call("POST", "/v1/admin/rooms/room/signals", []byte(`{"peer":"alice","data":1}`), "Content-Type", asJSON)
	}
	if last.refusal().Code != wire.Busy || last.header.Get("Retry-After") == "" {
		t.Errorf("a full mailbox: %d %s", last.status, last.body)
	}
}
