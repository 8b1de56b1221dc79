package signaling_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

func TestJoinTellsEverythingAClientNeeds(t *testing.T) {
	s := serve(t, signaling.Config{
		Node: "n1",
		ICEServers: func(_ context.Context, r signaling.ICERequest) (signaling.ICE, error) {
			return signaling.ICE{
				Servers: []signaling.ICEServer{{URLs: []string{"turn:192.0.2.1"}, Username: r.Room + "." + r.Peer, Credential: "c"}},
				TTL:     90 * time.Second,
			}, nil
		},
	})
	alice := s.join("room", as("alice"), func(r *wire.JoinRequest) { r.Name, r.Meta = "Alice", []byte(`{"c":1}`) })
	bob := s.join("room", as("bob"))

	if len(alice.Peers) != 0 || len(bob.Peers) != 1 {
		t.Fatalf("rosters have %d and %d peers, want 0 and 1", len(alice.Peers), len(bob.Peers))
	}
	if got := bob.Peers[0]; got.Peer != "alice" || got.Epoch != alice.Epoch || got.Name != "Alice" || string(got.Meta) != `{"c":1}` || got.Presence != "here" {
		t.Errorf("alice in the roster is %+v", got)
	}
	if bob.Epoch <= alice.Epoch {
		t.Errorf("epochs %d, %d do not rise", alice.Epoch, bob.Epoch)
	}
	if len(bob.ICEServers) != 1 || bob.ICEServers[0].Username != "room.bob" || bob.TTL != 90 {
		t.Errorf("ICE servers are %+v for %v s", bob.ICEServers, bob.TTL)
	}
	if bob.Heartbeat != 25 || bob.Limits.Frame != 65536 || bob.Node != "n1" || len(bob.Secret) < 43 {
		t.Errorf("reply is %+v", bob.JoinReply)
	}

	r := s.call("GET", bob.path+"/ice", nil, "Authorization", "Bearer "+bob.Secret)
	var ice wire.ICEReply
	if err := json.Unmarshal(r.body, &ice); err != nil || len(ice.ICEServers) != 1 || ice.ICEServers[0].Username != "room.bob" {
		t.Errorf("fresh ICE servers: %d %s", r.status, r.body)
	}
	if r := s.call("GET", bob.path+"/ice", nil, "Authorization", "Bearer wrong"); r.refusal().Code != wire.WrongSecret {
		t.Errorf("with a wrong secret: %d %s", r.status, r.body)
	}
}

func TestARepeatedJoinIsTheSameSession(t *testing.T) {
	s := serve(t, signaling.Config{})
	req := ask()
	first, _ := s.try("room", req)
	again, r := s.try("room", req)
	if again.Session != first.Session || again.Secret != first.Secret || again.Peer != first.Peer {
		t.Errorf("got %d %s, want the same as %+v", r.status, r.body, first.JoinReply)
	}
	if got := s.Stats().Joins; got != 1 {
		t.Errorf("%d joins are counted, want 1", got)
	}
	req.Name = "other"
	if _, r := s.try("room", req); r.status != 422 || r.refusal().Code != wire.AttemptReused {
		t.Errorf("with another body: %d %s", r.status, r.body)
	}
}

func TestRefusedRequests(t *testing.T) {
	s := serve(t, signaling.Config{Limits: signaling.Limits{Peers: 1}})
	taken := s.join("full", as("alice"))
	good, err := json.Marshal(ask())
	if err != nil {
		t.Fatal(err)
	}
	sessions := func(room string) string { return "/v1/rooms/" + room + "/sessions" }

	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		code               wire.Code
		field              string
	}{
		"a body that is not JSON":       {"POST", sessions("r"), "hello", []string{"Content-Type", asJSON}, 400, wire.BadRequest, ""},
		"no body":                       {"POST", sessions("r"), "", []string{"Content-Type", asJSON}, 400, wire.BadRequest, ""},
		"an unknown field":              {"POST", sessions("r"), `{"attempts":1}`, []string{"Content-Type", asJSON}, 400, wire.UnknownField, "attempts"},
		"a missing field":               {"POST", sessions("r"), `{}`, []string{"Content-Type", asJSON}, 400, wire.BadField, "attempt"},
		"another content type":          {"POST", sessions("r"), string(good), []string{"Content-Type", "text/plain"}, 415, wire.NotJSON, "Content-Type"},
		"no content type":               {"POST", sessions("r"), string(good), nil, 415, wire.NotJSON, "Content-Type"},
		"a body that is too large":      {"POST", sessions("r"), strings.Repeat(" ", 40000), []string{"Content-Type", asJSON}, 413, wire.BodyTooLarge, ""},
		"a room of 300 characters":      {"POST", sessions(strings.Repeat("r", 300)), string(good), []string{"Content-Type", asJSON}, 400, wire.BadRoom, "room"},
		"a room with a slash":           {"POST", sessions("a/b"), string(good), []string{"Content-Type", asJSON}, 400, wire.BadRoom, "room"},
		"a room with an escaped slash":  {"POST", sessions("a%2Fb"), string(good), []string{"Content-Type", asJSON}, 400, wire.BadRoom, "room"},
		"a room that is two dots":       {"POST", sessions("%2e%2e"), string(good), []string{"Content-Type", asJSON}, 400, wire.BadRoom, "room"},
		"no room":                       {"POST", sessions(""), string(good), []string{"Content-Type", asJSON}, 400, wire.BadRoom, "room"},
		"a room of other letters":       {"POST", sessions("r%C3%A4ume"), string(good), []string{"Content-Type", asJSON}, 400, wire.BadRoom, "room"},
		"a room that is full":           {"POST", sessions("full"), string(good), []string{"Content-Type", asJSON}, 409, wire.RoomFull, ""},
		"another path":                  {"GET", "/v1/room", "", nil, 404, wire.NotFound, ""},
		"the root":                      {"GET", "/", "", nil, 404, wire.NotFound, ""},
		"a part that is not there":      {"GET", taken.path + "/frame", "", nil, 404, wire.NotFound, ""},
		"a path that is too long":       {"GET", taken.path + "/ws/more", "", nil, 404, wire.NotFound, ""},
		"another method":                {"GET", sessions("r"), "", nil, 405, wire.BadMethod, ""},
		"a WebSocket that is none":      {"GET", taken.path + "/ws", "", nil, 426, wire.UpgradeRequired, ""},
		"half a WebSocket handshake":    {"GET", taken.path + "/ws", "", []string{"Connection", "Upgrade", "Upgrade", "websocket"}, 400, wire.BadRequest, ""},
		"a delete without a secret":     {"DELETE", taken.path, "", nil, 401, wire.WrongSecret, ""},
		"a delete with a wrong secret":  {"DELETE", taken.path, "", []string{"Authorization", "Bearer x"}, 401, wire.WrongSecret, ""},
		"a delete of an unknown one":    {"DELETE", sessions("full") + "/nobody", "", []string{"Authorization", "Bearer x"}, 404, wire.NoSession, ""},
		"a beacon that is not JSON":     {"POST", taken.path + "/leave", "bye", nil, 400, wire.BadRequest, ""},
		"a beacon without a secret":     {"POST", taken.path + "/leave", "{}", nil, 400, wire.BadField, "secret"},
		"a beacon with a wrong secret":  {"POST", taken.path + "/leave", `{"secret":"x"}`, nil, 401, wire.WrongSecret, ""},
		"a beacon that is far too long": {"POST", taken.path + "/leave", strings.Repeat("x", 1<<20), nil, 413, wire.BodyTooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{t, s.Server, s.url}
			r := s.call(c.method, c.path, []byte(c.body), c.header...)
			if got := r.refusal(); r.status != c.status || got.Code != c.code || got.Field != c.field {
				t.Errorf("got %d %s, want %d %s in %q", r.status, r.body, c.status, c.code, c.field)
			}
			if got := r.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control is %q, want no-store", got)
			}
		})
	}
	if s.join("other", as("alice")).Peer != "alice" {
		t.Error("the server does not serve any more")
	}
}

func TestPeerTaken(t *testing.T) {
	s := serve(t, signaling.Config{})
	s.join("room", as("alice"))
	if _, r := s.try("room", ask(as("alice"))); r.status != http.StatusConflict || r.refusal().Code != wire.PeerTaken || r.refusal().Field != "peer" {
		t.Errorf("got %d %s, want 409 peer_taken", r.status, r.body)
	}
}

func TestHooksDecideWhoMayJoin(t *testing.T) {
	var events []signaling.Event
	s := serve(t, signaling.Config{
		Authenticate: func(r *http.Request) (signaling.Identity, error) {
			switch r.Header.Get("Authorization") {
			case "Bearer good":
				return signaling.Identity{Subject: "u1", Name: "Ada"}, nil
			case "Bearer old":
				return signaling.Identity{}, fmt.Errorf("wrapped: %w", &signaling.Error{Code: "unauthorized", Message: "the token has expired"})
			}
			return signaling.Identity{}, errors.New("secret detail")
		},
		Authorize: func(_ context.Context, id signaling.Identity, a signaling.Action) error {
			if a.Room == "closed" || a.Verb != "join" || id.Subject != "u1" {
				return errors.New("another secret detail")
			}
			return nil
		},
		Observe: func(e signaling.Event) { events = append(events, e) },
	})
	for _, c := range []struct {
		room, token string
		status      int
		message     string
	}{
		{"open", "", 401, "the app token is missing or not valid"},
		{"open", "bad", 401, "the app token is missing or not valid"},
		{"open", "old", 401, "the token has expired"},
		{"closed", "good", 403, "this is not allowed to you"},
	} {
		_, r := s.try(c.room, ask(), "Authorization", "Bearer "+c.token)
		if r.status != c.status || r.refusal().Message != c.message {
			t.Errorf("%s with %q: got %d %s, want %d %q", c.room, c.token, r.status, r.body, c.status, c.message)
		}
	}
	if _, r := s.try("open", ask(), "Authorization", "Bearer good"); r.status != 201 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	second, _ := s.try("open", ask(), "Authorization", "Bearer good")
	if got := second.Peers[0].Name; got != "Ada" {
		t.Errorf("name is %q, want that of the identity", got)
	}
	var kinds []signaling.EventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	want := "[join_refused join_refused join_refused join_refused session_joined session_joined]"
	if got := fmt.Sprint(kinds); got != want {
		t.Errorf("events are %s, want %s", got, want)
	}
}

func TestAJoinWithoutICEServersCanBeRepeated(t *testing.T) {
	fail := true
	s := serve(t, signaling.Config{
		ICEServers: func(context.Context, signaling.ICERequest) (signaling.ICE, error) {
			if fail {
				return signaling.ICE{}, errors.New("no route to the key server")
			}
			return signaling.ICE{}, nil
		},
	})
	req := ask(as("alice"))
	if _, r := s.try("room", req); r.status != 503 || r.refusal().Code != wire.Unavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s, want 503 with Retry-After", r.status, r.body)
	}
	fail = false
	if p, r := s.try("room", req); p.Peer != "alice" {
		t.Errorf("the second time: got %d %s", r.status, r.body)
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	_, err := signaling.New(signaling.Config{
		Origins: []string{"https://good.example", "bad.example/path"},
		Limits:  signaling.Limits{Frame: 10, Peers: -1, PerAddress: -1, Rate: 1, JoinRate: -1, JoinBurst: -1},
		Timing:  signaling.Timing{Lease: time.Second, Away: -1, Slow: time.Second},

		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), {}},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"Origins[1]", "Limits.Frame", "Limits.Peers", "Limits.PerAddress", "Limits.Rate", "Limits.JoinRate", "Limits.JoinBurst",
		"Timing.Lease", "Timing.Away", "Timing.Slow", "TrustedProxies[1]",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestConfigNamesLimitsThatContradictEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		limits signaling.Limits
		want   string // "": it is accepted
	}{
		"a broadcast over a frame":                   {signaling.Limits{Frame: 2048, Broadcast: 4096}, "Limits.Broadcast"},
		"a frame that no POST carries":               {signaling.Limits{Frame: 256 << 10}, "Limits.Frame"},
		"a mailbox without room for a frame":         {signaling.Limits{Frame: 200 << 10, MailboxBytes: 200 << 10}, "Limits.MailboxBytes"},
		"a burst without room for a frame":           {signaling.Limits{Peers: 2, Burst: 32 << 10}, "Limits.Burst"},
		"a burst without room for a broadcast":       {signaling.Limits{Burst: 128 << 10}, "Limits.Burst"},
		"a burst just great enough":                  {signaling.Limits{Burst: 63 * (8<<10 + 128)}, ""},
		"a large room, for which the burst grows":    {signaling.Limits{Peers: 2000}, ""},
		"a small frame, with which the rest shrinks": {signaling.Limits{Frame: 1024}, ""},
	} {
		server, err := signaling.New(signaling.Config{Limits: c.limits})
		if err == nil {
			server.Close()
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
