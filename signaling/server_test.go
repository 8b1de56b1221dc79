package signaling_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

func TestShutdownTellsClientsToJoinAgain(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("room", as("alice")).link()
	bob := s.join("room", as("bob")).link()
	alice.expect(wire.KindJoined)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, l := range []*wsLink{alice, bob} {
		if d := l.expect(wire.KindEnded); d.Code != wire.Rejoin || d.In < 0.5 || d.In > 1.5 {
			t.Errorf("ended is %+v", d)
		}
		l.expectClose(4100)
	}
	_, r := s.try("room", ask())
	if r.status != 503 || r.refusal().Code != wire.Draining || r.header.Get("Retry-After") == "" {
		t.Errorf("a join meanwhile: %d %s", r.status, r.body)
	}
	if err := s.Shutdown(ctx); !errors.Is(err, signaling.ErrServerClosed) {
		t.Errorf("a second shutdown: %v, want %v", err, signaling.ErrServerClosed)
	}
}

func TestShutdownDoesNotWaitForEver(t *testing.T) {
	s := serve(t, signaling.Config{})
	p := s.join("room")
	// A connection that never answers the close.
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url, "http")+p.path+"/ws", http.Header{"Authorization": {"Bearer " + p.Secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	for deadline := time.Now().Add(patience); s.Stats().Links == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v, want %v", err, context.DeadlineExceeded)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestOrigins(t *testing.T) {
	own := serve(t, signaling.Config{})
	set := serve(t, signaling.Config{Origins: []string{"https://app.example"}})
	anyone := serve(t, signaling.Config{Origins: []string{"*"}})
	for name, c := range map[string]struct {
		*service
		origin, host string
		allowed      bool
	}{
		"none, as outside of browsers":       {set, "", "", true},
		"own, an address":                    {own, own.url, "", true},
		"own, localhost":                     {own, "http://localhost:8080", "localhost:8080", true},
		"own, behind TLS":                    {own, "https://parley.local", "parley.local", true},
		"own, a bare name":                   {own, "http://box:8080", "box:8080", true},
		"own, a name that DNS could rebind":  {own, "http://evil.example:8080", "evil.example:8080", false},
		"another port of this host":          {own, "http://127.0.0.1:1", "", false},
		"another site":                       {own, "https://evil.example", "", false},
		"a sandboxed page":                   {own, "null", "", false},
		"one that is configured":             {set, "https://app.example", "", true},
		"one that is configured, as written": {set, "https://APP.example", "", true},
		"a longer one":                       {set, "https://app.example.evil.example", "", false},
		"own, though others are configured":  {set, set.url, "", false},
		"any":                                {anyone, "https://anything.example", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{t, c.Server, c.url}
			var header []string
			if c.origin != "" {
				header = append(header, "Origin", c.origin)
			}
			if c.host != "" {
				header = append(header, "Host", c.host)
			}
			joined, r := s.try("room", ask(), header...)
			if allowed := r.status == 201; allowed != c.allowed {
				t.Errorf("join: got %d %s, want allowed: %v", r.status, r.body, c.allowed)
			}
			if !c.allowed {
				if r.refusal().Code != wire.OriginDenied || r.header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("refused with %s and %v", r.body, r.header)
				}
				joined, _ = s.try("room", ask())
			} else if c.origin != "" && r.header.Get("Access-Control-Allow-Origin") != c.origin {
				t.Errorf("headers are %v", r.header)
			}
			if c.origin == "" {
				return
			}
			preflight := s.call("OPTIONS", joined.path, nil, append(header, "Access-Control-Request-Method", "DELETE")...)
			if allowed := preflight.status == 204 && preflight.header.Get("Access-Control-Allow-Methods") != ""; allowed != c.allowed {
				t.Errorf("preflight: got %d %v", preflight.status, preflight.header)
			}
			beacon := s.call("POST", joined.path+"/leave", []byte(`{"secret":"`+joined.Secret+`"}`), header...)
			if allowed := beacon.status == 204; allowed != c.allowed {
				t.Errorf("beacon: got %d %s", beacon.status, beacon.body)
			}
			if c.host != "" {
				return
			}
			ws, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url, "http")+joined.path+"/ws",
				http.Header{"Origin": {c.origin}, "Authorization": {"Bearer " + joined.Secret}})
			if err == nil {
				ws.Close()
			}
			if allowed := err == nil; allowed != c.allowed || !allowed && res.StatusCode != 403 {
				t.Errorf("WebSocket: got %v", err)
			}
		})
	}
}

// unwrapper is middleware's ResponseWriter as net/http wants it.
type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// opaque is middleware's ResponseWriter that hides the connection.
type opaque struct{ http.ResponseWriter }

func TestBelowAPrefixAndBehindMiddleware(t *testing.T) {
	prefix := func(next http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/app/rtc/", next)
		return mux
	}
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(unwrapper{w}, r) })
	}
	s := serve(t, signaling.Config{}, wrap, prefix)
	s.url += "/app/rtc"
	alice := s.join("room", as("alice")).link()
	s.join("room", as("bob")).link()
	alice.expect(wire.KindJoined)
}

func TestObserveAndStatsTellOfLinks(t *testing.T) {
	var mu sync.Mutex
	var told []string
	s := serve(t, signaling.Config{Observe: func(e signaling.Event) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprint(e.Kind, " ", e.Peer, " ", e.Link, " ", e.Code))
	}})
	alice := s.join("room", as("alice")).link()
	bob := s.join("room", as("bob")).link()
	alice.expect(wire.KindJoined)
	alice.signal(bob.peer, "1")
	bob.expect(wire.KindSignal)
	// A frame is counted when it has been written.
	want := [4]int{2, 2, 1, 2}
	counted := func() [4]int {
		stats := s.Stats()
		return [4]int{stats.Links, int(stats.Joins), int(stats.Up), int(stats.Down)}
	}
	for deadline := time.Now().Add(patience); counted() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("links, joins, frames up and down are %v, want %v", counted(), want)
		}
	}
	s.call("DELETE", alice.path, nil, "Authorization", "Bearer "+alice.Secret)
	alice.expect(wire.KindEnded)
	alice.expectClose(4010)
	bob.cut()
	lines := []string{
		"session_joined alice  ", "link_opened alice websocket ", "session_joined bob  ", "link_opened bob websocket ",
		"session_left alice  ", "link_closed alice websocket left", "link_closed bob websocket ",
	}
	deadline := time.Now().Add(patience)
	for {
		mu.Lock()
		got := strings.Join(told, "\n")
		enough := len(told) >= len(lines)
		mu.Unlock()
		if enough {
			// The two links close on their own goroutines.
			for _, line := range lines {
				if !strings.Contains(got, line) {
					t.Errorf("nothing says %q in\n%s", line, got)
				}
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only this was told:\n%s", got)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestAnIdleLinkIsOneGoroutine(t *testing.T) {
	const links = 40
	s := serve(t, signaling.Config{})
	before := runtime.NumGoroutine()
	for i := range links {
		s.join(fmt.Sprint("room", i)).link()
	}
	http.DefaultClient.CloseIdleConnections()
	// One of the server's, and one that this test reads it with; and the front's for a connection or two that close.
	most := before + 2*links + 4
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > most; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d links have %d goroutines, want at most %d", links, runtime.NumGoroutine()-before, most-before)
		}
	}
}

func TestAFullRoomJoinsAtOnce(t *testing.T) {
	const peers = 64
	s := serve(t, signaling.Config{Limits: signaling.Limits{PerAddress: peers}})
	var group sync.WaitGroup
	var mu sync.Mutex
	all := make([]*wsLink, 0, peers)
	for i := range peers {
		group.Go(func() {
			l := s.join("room", as(fmt.Sprint("p", i))).link()
			mu.Lock()
			defer mu.Unlock()
			all = append(all, l)
		})
	}
	group.Wait()
	for _, from := range all {
		group.Go(func() {
			for _, to := range all {
				if to != from {
					from.signal(to.peer, `{"candidate":"x"}`)
				}
			}
		})
	}
	for _, l := range all {
		group.Go(func() {
			for got := 0; got < peers-1; {
				switch d := l.next(); d.Kind {
				case wire.KindSignal:
					got++
				case wire.KindJoined:
				default:
					t.Errorf("%s got %+v", l.Peer, d)
					return
				}
			}
		})
	}
	group.Wait()
}
