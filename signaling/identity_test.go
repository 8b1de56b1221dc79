package signaling_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

// users authenticates "Bearer <name>", with a lifetime if the token ends in "/<duration>".
func users(r *http.Request) (signaling.Identity, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	name, life, _ := strings.Cut(token, "/")
	id := signaling.Identity{Subject: name, Name: name}
	if name == "" || name == "forged" {
		return id, errors.New("who?")
	}
	if life != "" {
		d, err := time.ParseDuration(life)
		if err != nil {
			return id, err
		}
		id.Expires = time.Now().Add(d)
	}
	return id, nil
}

func (s *service) joinAs(token string, edit ...func(*wire.JoinRequest)) *peer {
	s.Helper()
	p, r := s.try("room", ask(edit...), "Authorization", "Bearer "+token)
	if r.status != http.StatusCreated {
		s.Fatalf("join as %s: %d %s", token, r.status, r.body)
	}
	return p
}

func TestTheAppsNameCannotBeChanged(t *testing.T) {
	s := serve(t, signaling.Config{Authenticate: users})
	watcher := s.joinAs("watcher").linked("websocket", -1)
	for _, token := range []string{"Ada", strings.Repeat("x", 100)} {
		p := s.joinAs(token, func(r *wire.JoinRequest) { r.Name = "another" })
		want := token[:min(len(token), 64)]
		if f := watcher.next(); *f.Name != want || p.Name != want {
			t.Errorf("joined as %q, told %q, want %q", *f.Name, p.Name, want)
		}
		l := p.linked("websocket", -1)
		s.must(l.send(1, `{"kind":"change","name":"The Administrator"}`, `{"kind":"change","meta":1}`))
		f := l.next()
		for f.Kind == wire.KindJoined {
			f = l.next()
		}
		if f.Kind != wire.KindRefused || f.Code != wire.Forbidden || f.Of != 1 {
			t.Errorf("got %+v, want frame 1 refused as forbidden", f)
		}
		if f := watcher.next(); f.Kind != wire.KindChanged || f.Name != nil {
			t.Errorf("the others are told %+v", f)
		}
	}
}

func TestAResumeIsOnlyForTheSameUser(t *testing.T) {
	s := serve(t, signaling.Config{Authenticate: users})
	ada := s.joinAs("Ada", as("ada"))
	resume := func(r *wire.JoinRequest) { r.Resume = ada.Secret }
	if bob := s.joinAs("Bob", resume); bob.Resumed || bob.Peer == "ada" {
		t.Errorf("Bob took Ada's place: %+v", bob.JoinReply)
	}
	if again := s.joinAs("Ada", resume); !again.Resumed || again.Peer != "ada" {
		t.Errorf("Ada did not: %+v", again.JoinReply)
	}
}

func TestASessionEndsWithItsTokenUnlessRefreshed(t *testing.T) {
	s := serve(t, signaling.Config{Authenticate: users})
	if _, r := s.try("room", ask(), "Authorization", "Bearer Ada/-1s"); r.status != http.StatusUnauthorized {
		t.Errorf("with an expired token: %d %s", r.status, r.body)
	}
	watcher := s.joinAs("watcher").linked("websocket", -1)
	ada := s.joinAs("Ada/1s").linked("events", -1)
	bob := s.joinAs("Bob/1s").linked("websocket", -1)
	s.must(bob.send(1, `{"kind":"refresh","token":"Ada/1h"}`, `{"kind":"refresh","token":"forged"}`, `{"kind":"refresh","token":"Bob/1h"}`))
	for i, want := range []wire.Code{wire.Forbidden, wire.Unauthorized} {
		if f := bob.next(); f.Kind != wire.KindRefused || f.Code != want || f.Of != int64(i+1) {
			t.Errorf("got %+v, want %s", f, want)
		}
	}
	if code := ada.ends(); code != wire.Expired {
		t.Errorf("Ada's session ends as %q, want expired", code)
	}
	watcher.next() // joined
	watcher.next()
	if f := watcher.next(); f.Kind != wire.KindLeft || f.Peer != ada.Peer || f.Reason != "kicked" {
		t.Errorf("the others are told %+v", f)
	}
	if f := bob.next(); f.Kind != wire.KindLeft {
		t.Errorf("Bob got %+v", f)
	}
}

func TestWhoMayNotSignalIsRefused(t *testing.T) {
	s := serve(t, signaling.Config{Authenticate: users, Authorize: func(_ context.Context, id signaling.Identity, a signaling.Action) error {
		if id.Subject == "listener" && a.Verb != signaling.VerbJoin {
			return errors.New("listens only")
		}
		return nil
	}})
	bob := s.joinAs("bob")
	l := s.joinAs("listener").linked("websocket", -1)
	s.must(l.send(1, to(bob, "1"), `{"kind":"broadcast","data":1}`))
	for range 2 {
		if f := l.next(); f.Code != wire.Forbidden {
			t.Errorf("got %+v, want forbidden", f)
		}
	}
}

func TestOriginsAreWrittenAsBrowsersDo(t *testing.T) {
	s := serve(t, signaling.Config{Origins: []string{"HTTPS://App.Example:443", "http://[::1]:80"}})
	for origin, want := range map[string]int{"https://app.example": 201, "http://[::1]": 201, "https://app.example:8443": 403} {
		if _, r := s.try("room", ask(), "Origin", origin); r.status != want {
			t.Errorf("%s: got %d, want %d", origin, r.status, want)
		}
	}
	for _, origin := range []string{"https://*.example", "https://a.example#x", "https://bücher.example", "app.example", "https://u@a.example"} {
		if _, err := signaling.New(signaling.Config{Origins: []string{origin}}); err == nil {
			t.Errorf("%s is accepted", origin)
		}
	}
}
