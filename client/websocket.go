package client

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
)

const writeTime = 10 * time.Second // for a message on a WebSocket

// runWebSocket reads a WebSocket until it ends.
func (s *stay) runWebSocket(l *link, query string) error {
	conn, err := s.api.dial(l.ctx, s.path+"/ws"+query, s.reply.Secret)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(l.ctx, func() {
		bye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
		_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(100*time.Millisecond))
		_ = conn.Close()
	})
	defer func() {
		stop()
		_ = conn.Close()
	}()
	if !s.tell(l.ctx, s.done, func() { l.conn = conn }) {
		return l.ctx.Err()
	}
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return closeError(err)
		}
		var f wire.Downlink
		if err := json.Unmarshal(message, &f); err != nil {
			return errors.New("client: what came is no frame")
		}
		if !s.tell(l.ctx, s.inbox, func() { s.frame(l, f, len(message)) }) {
			return l.ctx.Err()
		}
	}
}

// closeError finds the code that a WebSocket was closed with.
func closeError(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code >= 4000 && closed.Text != "" {
		return refusal(wire.Code(closed.Text), "")
	}
	return err
}

// writeWebSocket writes what waits, if nothing is being written.
func (s *stay) writeWebSocket(l *link, now time.Time, due *alarm) {
	if l.busy || l.conn == nil {
		return
	}
	var messages [][]byte
	if l.use {
		messages = append(messages, wire.Append(nil, useFrame{wire.KindUse, l.number, s.down}))
	}
	if l.ping {
		messages = append(messages, wire.AppendPing(nil))
	}
	if l.pong {
		messages = append(messages, wire.AppendPong(nil))
	}
	if l == s.current {
		if l.use || s.ackDue(now, due) {
			messages = append(messages, wire.Append(nil, ackFrame{wire.KindAck, s.down}))
			s.told(s.down)
		}
		if s.sendable(now, due) && !s.stuck() { // else they go by POST
			first, frames := s.up.take(postFrames, postBytes)
			for i, f := range frames {
				messages = append(messages, numbered(first+int64(i), f))
			}
		}
	}
	l.use, l.ping, l.pong = false, false, false
	if len(messages) == 0 {
		return
	}
	l.busy = true
	conn := l.conn
	s.spawn(s.done, func() func() {
		var err error
		for _, m := range messages {
			_ = conn.SetWriteDeadline(time.Now().Add(writeTime))
			if err = conn.WriteMessage(websocket.TextMessage, m); err != nil {
				break
			}
		}
		return func() {
			l.busy = false
			if err != nil && !l.gone {
				// What the server said before is still to be read, and tells more.
				_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			}
		}
	})
}

type useFrame struct {
	Kind  string `json:"kind"`
	Link  int64  `json:"link"`
	After int64  `json:"after"`
}

type ackFrame struct {
	Kind string `json:"kind"`
	N    int64  `json:"n"`
}
