//go:build linux

package rawws

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// serve runs a server that speaks with gorilla/websocket, and dials it.
func serve(t *testing.T, upgrader websocket.Upgrader, buffer int, talk func(*websocket.Conn)) *Conn {
	t.Helper()
	address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.Close()
		talk(ws)
	}))
	c, err := Dial(address, "/", "", buffer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.net.SetDeadline(time.Now().Add(patience))
	return c
}

func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func echo(ws *websocket.Conn) {
	for {
		kind, message, err := ws.ReadMessage()
		if err != nil || ws.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func TestMessagesOfEveryLength(t *testing.T) {
	for name, buffer := range map[string]int{"with a small buffer": 64, "with a large buffer": 1 << 17} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, websocket.Upgrader{}, buffer, echo)
			for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 200000} {
				message := make([]byte, n)
				for i := range message {
					message[i] = 'a' + byte(i%26)
				}
				if err := c.Write(message); err != nil {
					t.Fatal(err)
				}
				if got, err := c.Read(); err != nil || !bytes.Equal(got, message) {
					t.Fatalf("of %d bytes, %d came back (%v)", n, len(got), err)
				}
			}
		})
	}
}

func TestAPingIsAnsweredBetweenMessages(t *testing.T) {
	c := serve(t, websocket.Upgrader{}, 512, func(ws *websocket.Conn) {
		ws.SetPongHandler(func(data string) error {
			return ws.WriteMessage(websocket.TextMessage, []byte("pong "+data))
		})
		_ = ws.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(patience))
		echo(ws)
	})
	if got, err := c.Read(); err != nil || string(got) != "pong are you there" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestACloseHasItsCode(t *testing.T) {
	c := serve(t, websocket.Upgrader{}, 512, func(ws *websocket.Conn) {
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4202, "silent"), time.Now().Add(patience))
		_, _, _ = ws.ReadMessage()
	})
	_, err := c.Read()
	if !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "4202 silent") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		reply string
		want  string
	}{
		"another status":            {"HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"},
		"an extension":              {"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "permessage-deflate"},
		"a message in pieces":       {"HTTP/1.1 101 Switching Protocols\r\n\r\n\x01\x01a\x80\x01b", "split a message"},
		"a message out of all size": {"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x7f\x00\x00\x01\x00\x00\x00\x00\x00", "the limit is"},
		"binary":                    {"HTTP/1.1 101 Switching Protocols\r\n\r\n\x82\x01a", "a frame of kind 2"},
		"half a frame":              {"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05ab", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = conn.Write([]byte(c.reply))
				_ = conn.Close()
			}))
			ws, err := Dial(address, "/", "", 512)
			if err == nil {
				_, err = ws.Read()
				_ = ws.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
