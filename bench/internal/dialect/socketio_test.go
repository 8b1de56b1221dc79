//go:build linux

package dialect

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestSocketID(t *testing.T) {
	for name, c := range map[string]struct{ packet, id, err string }{
		"the default namespace":   {`40{"sid":"wZX3oN0bSVIhsaknAAAI"}`, "wZX3oN0bSVIhsaknAAAI", ""},
		"with more":               {`40{"sid":"a","pid":"b"}`, "a", ""},
		"a refusal":               {`44{"message":"no"}`, "", "the answer to connect is 44"},
		"without an id":           {`40{}`, "", "no sid"},
		"without an answer":       {`40`, "", "the answer to connect"},
		"the packet of an engine": {`0{"sid":"a"}`, "", "the answer to connect is 0"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := socketID([]byte(c.packet))
			if id != c.id || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %q, %v; want %q, %q", id, err, c.id, c.err)
			}
		})
	}
}

// The packets of a session, as the protocol's specification has them, with a ping at every place where one may come.
func TestSocketIOFraming(t *testing.T) {
	type step struct{ send, want string }
	script := []step{
		{send: `0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`},
		{want: `40`},
		{send: `2`},
		{want: `3`},
		{send: `40{"sid":"alice"}`},
		{want: `420["join","lobby"]`},
		{send: `2`},
		{want: `3`},
		{send: `430[]`},
		{want: `42["signal","bob",{"a":1}]`},
		{want: `42["broadcast","lobby",[2]]`},
		{send: `2`},
		{want: `3`},
		{send: `42["signal","bob",{"b":"[\"x\"]"}]`},
	}
	failed := make(chan string, len(script))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/socket.io/?EIO=4&transport=websocket" {
			failed <- "the path is " + r.URL.RequestURI()
		}
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for _, s := range script {
			if s.send != "" {
				_ = ws.WriteMessage(websocket.TextMessage, []byte(s.send))
				continue
			}
			if _, got, err := ws.ReadMessage(); err != nil || string(got) != s.want {
				failed <- "got " + string(got) + ", want " + s.want
				return
			}
		}
		_, _, _ = ws.ReadMessage()
	}))
	defer server.Close()
	c, err := Connect(contender.SocketIO, Place{Address: server.Listener.Addr().String(), Room: "lobby", Relays: true})
	if err != nil {
		t.Fatal(err)
	}
	if c.ID() != "alice" {
		t.Errorf("the id is %q", c.ID())
	}
	if err := c.Signal("bob", []byte(`{"a":1}`)); err != nil {
		t.Error(err)
	}
	if err := c.Broadcast(nil, []byte(`[2]`)); err != nil {
		t.Error(err)
	}
	message, err := c.Next()
	if want := `42["signal","bob",{"b":"[\"x\"]"}]`; err != nil || string(message) != want {
		t.Errorf("got %q, %v, want %q", message, err, want)
	}
	_ = c.Close()
	server.Close()
	select {
	case what := <-failed:
		t.Error(what)
	default:
	}
}

func TestIsKind(t *testing.T) {
	for frame, want := range map[string]bool{
		`{"kind":"ping"}`:                 true,
		`{"kind":"pinged"}`:               false,
		`{"kind":"pin"}`:                  false,
		`{"kind":"ping`:                   false,
		`{"kind":"signal","data":"ping"}`: false,
		``:                                false,
	} {
		if got := isKind([]byte(frame), "ping"); got != want {
			t.Errorf("%s: got %v", frame, got)
		}
	}
}
