package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
)

const webSocketCure = "have the proxy in front pass the headers Upgrade and Connection on (HTTP/1.1), and firewalls let them; until then clients go by server-sent events or polls"

// linkCheck makes a session of its own for a check, and remembers whether the link worked.
func (x *examination) linkCheck(id string, check func(context.Context, *Row, *session)) func(context.Context, *Row) {
	return func(ctx context.Context, row *Row) {
		if !x.found.joined {
			row.skip(unjoined(x))
			return
		}
		s, err := x.join(ctx, "")
		if err != nil {
			row.fail(x.whyNoJoin(err))
			return
		}
		defer s.leave(ctx)
		check(ctx, row, s)
		x.found.mu.Lock()
		defer x.found.mu.Unlock()
		x.found.links[id] = row.Outcome == Pass || row.Outcome == Warn
	}
}

// dialWebSocket opens a WebSocket link.
func (s *session) dialWebSocket(ctx context.Context, after int64) (*websocket.Conn, *http.Response, error) {
	transport := s.x.http.Transport.(*http.Transport)
	dialer := websocket.Dialer{Proxy: transport.Proxy, TLSClientConfig: transport.Clone().TLSClientConfig}
	dialer.TLSClientConfig.NextProtos = []string{"http/1.1"}
	url := fmt.Sprintf("ws%s%s?after=%d", strings.TrimPrefix(s.x.base.String(), "http"), s.path("ws"), after)
	conn, res, err := dialer.DialContext(ctx, url, http.Header{"Authorization": {"Bearer " + s.reply.Secret}, "User-Agent": {tool}})
	if err == nil {
		conn.SetReadLimit(maxAnswer)
	}
	return conn, res, err
}

// webSocket tells apart a WebSocket that is refused, one that hangs, and one that opens and then is silent.
func (x *examination) webSocket(ctx context.Context, row *Row, s *session) {
	opening, cancel := context.WithTimeout(ctx, x.Timeout)
	defer cancel()
	began := time.Now()
	conn, res, err := s.dialWebSocket(opening, 0)
	if err != nil {
		row.fail(x.whyNoWebSocket(res, err))
		return
	}
	defer func() { _ = conn.Close() }() // the session ends anyway
	opened := time.Since(began)
	if _, err := awaitFrame(conn, x.Timeout, func(f wire.Downlink) bool { return f.Kind == wire.KindHello }); err != nil {
		row.fail(silentSocket("it opens, and then nothing comes: not even the server's first frame", err), webSocketCure)
		return
	}
	began = time.Now()
	if err = write(conn, x.Timeout, wire.AppendPing(nil)); err == nil {
		_, err = awaitFrame(conn, x.Timeout, func(f wire.Downlink) bool { return f.Kind == wire.KindPong })
	}
	if err != nil {
		row.fail(silentSocket("it opens, and then goes silent: a ping is not answered", err), webSocketCure)
		return
	}
	trip := time.Since(began)
	frame := s.frame(100)
	if err = write(conn, x.Timeout, frame); err == nil {
		_, err = awaitFrame(conn, x.Timeout, func(f wire.Downlink) bool { return f.Kind == wire.KindRefused && f.Of == s.sent })
	}
	if err != nil {
		row.fail(silentSocket("it opens, and then goes silent: a frame is not answered", err), webSocketCure)
		return
	}
	row.pass(fmt.Sprintf("open after %s, round trip %s", round(opened), round(trip)))
}

// whyNoWebSocket says why none opened.
func (x *examination) whyNoWebSocket(res *http.Response, err error) (cause, cure string) {
	switch {
	case errors.Is(err, websocket.ErrBadHandshake) && res != nil:
		no := refusalIn(res)
		if no.code == wire.UpgradeRequired || res.StatusCode == http.StatusUpgradeRequired {
			return "refused with status 426: a proxy on the way takes the header Upgrade out", webSocketCure
		}
		if no.code != "" {
			return "refused by the server: " + no.Error(), "see the protocol's table of codes"
		}
		return fmt.Sprintf("refused with status %d by something on the way", no.status), webSocketCure
	case isTimeout(err):
		return fmt.Sprintf("hanging: the request to open it is not answered within %s, though the server answers others", round(x.Timeout)), webSocketCure
	case isCut(err):
		return "refused: the connection is cut when a WebSocket is asked for", webSocketCure
	}
	return x.why(err)
}

// silentSocket says how an open WebSocket went silent.
func silentSocket(silent string, err error) string {
	var closed *websocket.CloseError
	switch {
	case isTimeout(err):
		return silent
	case errors.As(err, &closed) && closed.Code >= 4000:
		return fmt.Sprintf("the server closes it with %d, %s", closed.Code, clip(closed.Text))
	}
	return "it opens, and is cut then: " + plain(err)
}

func write(conn *websocket.Conn, limit time.Duration, message []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	return conn.WriteMessage(websocket.TextMessage, message)
}

// awaitFrame returns the next frame that is wanted; what else comes is passed over.
func awaitFrame(conn *websocket.Conn, limit time.Duration, wanted func(wire.Downlink) bool) (wire.Downlink, error) {
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return wire.Downlink{}, err
	}
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return wire.Downlink{}, err
		}
		var f wire.Downlink
		if err := json.Unmarshal(message, &f); err != nil {
			return f, fmt.Errorf("what comes is no frame: %w", err)
		}
		if wanted(f) {
			return f, nil
		}
	}
}
