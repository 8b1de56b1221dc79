package signaling_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/internal/memory"
	"github.com/parley-rtc/parley/signaling/store"
)

// An app's own server has times for a whole request and a whole response, which are shorter than links live.
func TestTheAppsTimeoutsCutNoLink(t *testing.T) {
	const limit = time.Second
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := signaling.New(signaling.Config{Logger: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			mux := http.NewServeMux()
			mux.Handle("/app/rtc/", server)
			app := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mux.ServeHTTP(unwrapper{w}, r)
			}))
			app.Config.ReadTimeout, app.Config.WriteTimeout, app.Config.IdleTimeout = limit, limit, limit
			app.EnableHTTP2 = http2
			if http2 {
				app.StartTLS()
			} else {
				app.Start()
			}
			url := app.URL + "/app/rtc"
			t.Cleanup(func() {
				_ = server.Close()
				app.Close()
			})
			for _, kind := range []client.Link{client.WebSocket, client.Events} {
				t.Run(kind.String(), func(t *testing.T) {
					t.Parallel()
					opts := client.Options{Peer: "bob", Link: kind, HTTPClient: app.Client(), Logger: quiet()}
					bob, err := client.Join(t.Context(), url, kind.String(), opts)
					if err != nil {
						t.Fatal(err)
					}
					defer bob.Close()
					if e, is := within(t, bob.Events()).(client.LinkChanged); !is || e.Link != kind {
						t.Fatalf("%v is the first event, want a link of %v", e, kind)
					}
					time.Sleep(2 * limit)
					if err := server.Send(t.Context(), kind.String(), "bob", json.RawMessage("1")); err != nil {
						t.Fatal(err)
					}
					if e, is := within(t, bob.Events()).(client.Signal); !is {
						t.Errorf("%T %+v is the next event, want the signal", e, e)
					}
				})
			}
			t.Run("long poll", func(t *testing.T) {
				t.Parallel()
				sessions := url + "/v1/rooms/polls/sessions"
				session := joinVia(t, app.Client(), sessions)
				began := time.Now()
				status, body := getVia(t, app.Client(), sessions+"/"+session.Session+"/frames?wait=2", session.Secret)
				if took := time.Since(began); status != http.StatusOK || took < 2*limit || !strings.Contains(body, `"link":1`) {
					t.Errorf("a poll of 2 s was answered %d %q after %v", status, body, took)
				}
			})
		})
	}
}

// within returns the next event.
func within(t *testing.T, events <-chan client.Event) client.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(patience):
		t.Fatal("no event came")
		return nil
	}
}

func joinVia(t *testing.T, via *http.Client, sessions string) (reply wire.JoinReply) {
	t.Helper()
	res, err := via.Post(sessions, asJSON, bytes.NewReader(wire.Append(nil, ask())))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("join: %s, %v", res.Status, err)
	}
	return reply
}

func getVia(t *testing.T, via *http.Client, url, secret string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	res, err := via.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// What hides the connection, as http.TimeoutHandler does, takes the streams away, says so to the
// client and in the log, and leaves polls.
func TestWhatHidesTheConnectionFailsLoudly(t *testing.T) {
	for name, hide := range map[string]func(http.Handler) http.Handler{
		"a wrapper without Unwrap": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(opaque{w}, r) })
		},
		"http.TimeoutHandler": func(next http.Handler) http.Handler { return http.TimeoutHandler(next, patience, "too late") },
	} {
		t.Run(name, func(t *testing.T) {
			var log logged
			s := serve(t, signaling.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, hide)
			p := s.join("room")
			for part, want := range map[string]string{"/ws": "cannot open a WebSocket", "/events": "cannot open a stream of events"} {
				res := s.call("GET", p.path+part, nil, "Authorization", "Bearer "+p.Secret,
					"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
				if e := res.refusal(); res.status != http.StatusInternalServerError || e.Code != wire.Internal || !strings.Contains(e.Message, "wrapped") {
					t.Errorf("%s: got %d %s", part, res.status, res.body)
				}
				if got := log.String(); !strings.Contains(got, want) || !strings.Contains(got, "middleware must implement Unwrap") {
					t.Errorf("%s: the log has not %q and why: %s", part, want, got)
				}
			}
			res := s.call("GET", p.path+"/frames?wait=0.1", nil, "Authorization", "Bearer "+p.Secret)
			if res.status != http.StatusOK {
				t.Errorf("a poll was answered %d %s", res.status, res.body)
			}
		})
	}
}

// logged keeps what is written to a log.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A client that says goodbye is answered (RFC 6455 section 5.5.1), also where writing needs a goroutine.
func TestAGoodbyeIsAnswered(t *testing.T) {
	for name, test := range map[string]struct {
		rooms store.Store
		tls   bool
	}{"over TCP": {}, "over TLS": {tls: true}, "with a store of its own": {rooms: memory.New()}} {
		t.Run(name, func(t *testing.T) {
			server, err := signaling.New(signaling.Config{Store: test.rooms, Logger: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			app := httptest.NewUnstartedServer(server)
			if test.tls {
				app.StartTLS()
			} else {
				app.Start()
			}
			t.Cleanup(func() {
				_ = server.Close()
				app.Close()
			})
			dialer := websocket.Dialer{}
			if transport, is := app.Client().Transport.(*http.Transport); is {
				dialer.TLSClientConfig = transport.TLSClientConfig
			}
			for n := range 10 {
				sessions := fmt.Sprintf("%s/v1/rooms/%d/sessions", app.URL, n)
				session := joinVia(t, app.Client(), sessions)
				ws, _, err := dialer.Dial("ws"+strings.TrimPrefix(sessions, "http")+"/"+session.Session+"/ws", http.Header{"Authorization": {"Bearer " + session.Secret}})
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := ws.ReadMessage(); err != nil {
					t.Fatal(err)
				}
				if err := ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")); err != nil {
					t.Fatal(err)
				}
				if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
					t.Errorf("the goodbye is answered by %v", err)
				}
				_ = ws.Close()
			}
		})
	}
}

// scrambled is a connection of an app's own, that does something to what goes through it.
type scrambled struct{ *net.TCPConn }

// Read implements net.Conn.
func (s scrambled) Read(b []byte) (int, error) {
	n, err := s.TCPConn.Read(b)
	scramble(b[:n])
	return n, err
}

// Write implements net.Conn.
func (s scrambled) Write(b []byte) (int, error) {
	b = bytes.Clone(b)
	scramble(b)
	return s.TCPConn.Write(b)
}

// ReadFrom implements io.ReaderFrom.
func (s scrambled) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{s}, r)
}

func scramble(b []byte) {
	for i := range b {
		b[i] ^= 0x55
	}
}

type scrambling struct{ net.Listener }

// Accept implements net.Listener.
func (l scrambling) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return scrambled{conn.(*net.TCPConn)}, nil
}

// What an app's listener does to connections is not gone around, though a socket is within reach.
func TestAnAppsConnectionsAreUsedAsTheyAre(t *testing.T) {
	server, err := signaling.New(signaling.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewUnstartedServer(server)
	app.Listener = scrambling{app.Listener}
	app.Start()
	t.Cleanup(func() {
		_ = server.Close()
		app.Close()
	})
	via := &http.Client{Transport: &http.Transport{DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		if err != nil {
			return nil, err
		}
		return scrambled{conn.(*net.TCPConn)}, nil
	}}}
	t.Cleanup(via.CloseIdleConnections)
	for _, kind := range []client.Link{client.WebSocket, client.Events, client.LongPoll} {
		t.Run(kind.String(), func(t *testing.T) {
			bob, err := client.Join(t.Context(), app.URL, "room", client.Options{Peer: "bob", Link: kind, HTTPClient: via, Logger: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = bob.Leave(t.Context()) }()
			if e, is := within(t, bob.Events()).(client.LinkChanged); !is || e.Link != kind {
				t.Fatalf("%v is the first event, want a link of %v", e, kind)
			}
			time.Sleep(parks)
			if err := bob.Send(t.Context(), "bob", 0, "hello"); err != nil {
				t.Fatal(err)
			}
			if e, is := within(t, bob.Events()).(client.Signal); !is {
				t.Errorf("%T %+v is the next event, want the signal", e, e)
			}
		})
	}
}
