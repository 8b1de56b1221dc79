package signaling

import (
	"errors"
	"net/http"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/websocket"
)

// serveWebSocket opens a WebSocket link. The handler returns when the link is
// open, so that net/http's buffers are freed; the link's own goroutine reads on.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	if !websocket.Requested(r) {
		return wire.Refuse(wire.UpgradeRequired)
	}
	secret := bearer(r)
	if secret == "" {
		secret = websocket.Secret(r)
	}
	query := r.URL.Query()
	after, refusal := parseAfter(query, "")
	conn, answered, err := websocket.Upgrade(w, r)
	switch {
	case errors.Is(err, websocket.ErrNotHijackable):
		s.log.Error("cannot open a WebSocket", "error", err)
		return wire.Refusef(wire.Internal, "the server is wrapped in something that cannot open WebSockets")
	case answered && err != nil:
		return nil
	case err != nil:
		return wire.Refusef(wire.BadRequest, "the WebSocket handshake (RFC 6455 section 4.2) is not complete")
	}
	var l *link
	if refusal == nil {
		l, refusal = s.open(conn, terms{kind: kindWebSocket, ref: res.ref(secret), after: after, probe: isProbe(query), from: s.clientAddress(r)})
	}
	if refusal != nil {
		// A browser cannot read the status of a refused handshake, but a close code.
		s.turnAway(conn, refusal)
		s.linger(conn, conn.Drain)
		return nil
	}
	read := func() { s.readEnded(conn, l, conn.Each(s.cfg.Limits.Frame, reader{l})) }
	if !s.start(read) {
		conn.Abort()
		l.close()
	}
	return nil
}

// readEnded takes a link down whose reader has ended.
func (s *Server) readEnded(conn *websocket.Conn, l *link, err error) {
	if errors.Is(err, websocket.ErrTooLarge) {
		l.refuse(wire.Refusef(wire.FrameTooLarge, "the frame is over %d bytes", s.cfg.Limits.Frame).Over(int64(s.cfg.Limits.Frame)))
		l.finish(nil, wire.FrameTooLarge)
		conn.Drain()
	}
	if websocket.SaidGoodbye(err) {
		l.last() // its answer may wait for a goroutine of its own
	}
	conn.Abort()
	l.close()
}
