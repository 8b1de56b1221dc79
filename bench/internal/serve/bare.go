//go:build linux

package serve

import (
	"context"
	"io"
	"net/http"

	"github.com/gorilla/websocket"
)

// What a join is answered with, and what comes first on a WebSocket: as long as Parley's.
const (
	bareReply = `{"session":"bGlvbnMgYW5kIHRpZ2Vycw","secret":"mIHAkF0y8l2qCk0Xn1mT4yq3d8kQkz3V1b0nqk1lZ3w","peer":"alice",` +
		`"epoch":1795350000123,"resumed":false,"at":0,"peers":[{"peer":"bob","epoch":1795349990000,"instance":"77ab","presence":"here"}],` +
		`"iceServers":[{"urls":["stun:203.0.113.7:3478"]},{"urls":["turn:203.0.113.7:3478?transport=udp","turn:203.0.113.7:3478?transport=tcp"],` +
		`"username":"1795350000:alice","credential":"mIHAkF0y8l2qCk0Xn1mT4yq3d8k="}],"ttl":43200,"heartbeat":25,` +
		`"limits":{"frame":65536,"broadcast":8192,"name":64,"meta":1024,"peers":64,"mailboxFrames":2048,"mailboxBytes":1048576},"node":"n1"}`
	bareHello = `{"kind":"hello","link":1,"received":0,"at":0,"peers":[{"peer":"bob","epoch":1795349990000,"instance":"77ab","presence":"here"}]}`
)

// Bare serves a POST with an answer as long as Parley's, and WebSockets that greet and then echo, until ctx ends.
func Bare(ctx context.Context, address string) error {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /join", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			return // the client has gone
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, bareReply)
	})
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // answered
		}
		defer func() { _ = ws.Close() }()
		for message := []byte(bareHello); ; {
			if ws.WriteMessage(websocket.TextMessage, message) != nil {
				return
			}
			if _, message, err = ws.ReadMessage(); err != nil {
				return
			}
		}
	})
	return run(ctx, address, mux)
}
