// Package websocket moves frames over a WebSocket (RFC 6455), one frame a text
// message. It knows nothing of what is in them. An idle connection has the goroutine
// that reads it, a small read buffer, and no timer.
package websocket

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	readBuffer   = 512
	writeBuffer  = 2048
	writeTimeout = 10 * time.Second
	lingerTime   = 2 * time.Second // for the other side to answer a close
	keepBuffer   = 64 << 10        // larger message buffers are not kept
)

// Protocol is the subprotocol that is selected; SecretPrefix begins the one that
// carries a session's secret and is never selected.
const (
	Protocol     = "parley.v1"
	SecretPrefix = "parley.secret."
)

var (
	// ErrTooLarge says that a message was larger than the limit.
	ErrTooLarge = errors.New("websocket: message too large")

	// ErrNotHijackable says that middleware hides the connection.
	ErrNotHijackable = errors.New("websocket: middleware must implement Unwrap or Hijack")
)

var (
	upgrader = websocket.Upgrader{
		ReadBufferSize:  readBuffer,
		WriteBufferSize: writeBuffer,
		WriteBufferPool: new(sync.Pool),
		Subprotocols:    []string{Protocol},
		CheckOrigin:     func(*http.Request) bool { return true }, // checked for every request, before any link
		Error:           func(http.ResponseWriter, *http.Request, int, error) {},
	}
	messages = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// Requested says whether r asks for a WebSocket.
func Requested(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// Secret returns the secret that a browser offers as a subprotocol; "": none.
func Secret(r *http.Request) string {
	for _, p := range websocket.Subprotocols(r) {
		if secret, ok := strings.CutPrefix(p, SecretPrefix); ok {
			return secret
		}
	}
	return ""
}

// Conn is one WebSocket. Each and Write are for one goroutine each; Close and
// Abort may be called from anywhere.
type Conn struct {
	ws *websocket.Conn
}

// Upgrade answers r by switching to a WebSocket. After an error, answered says whether
// there is nobody left to tell.
func Upgrade(w http.ResponseWriter, r *http.Request) (c *Conn, answered bool, err error) {
	h := &hijacker{ResponseWriter: w}
	ws, err := upgrader.Upgrade(h, r, nil)
	if h.failed != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrNotHijackable, h.failed)
	}
	if err != nil {
		var handshake websocket.HandshakeError
		return nil, !errors.As(err, &handshake), err
	}
	return &Conn{ws}, true, nil
}

// Each calls handle with every text message until the connection ends, and
// closes it. The message is only valid until handle returns. A message over
// limit bytes ends it with ErrTooLarge, and is left to the caller to answer by Close.
func (c *Conn) Each(limit int, handle func(message []byte)) error {
	for {
		kind, r, err := c.ws.NextReader()
		if err != nil {
			return err
		}
		buf := messages.Get().(*bytes.Buffer)
		buf.Reset()
		n, err := buf.ReadFrom(io.LimitReader(r, int64(limit)+1))
		switch {
		case err != nil:
		case n > int64(limit):
			err = ErrTooLarge
		case kind != websocket.TextMessage:
			handle(nil) // no frame of ours
		default:
			handle(buf.Bytes())
		}
		if buf.Cap() <= keepBuffer {
			messages.Put(buf)
		}
		if err != nil {
			return err
		}
	}
}

// Drain reads and forgets what still comes, until the other side has answered a
// Close or its time is over, and closes the connection.
func (c *Conn) Drain() {
	_ = c.ws.SetReadDeadline(time.Now().Add(lingerTime))
	for {
		if _, _, err := c.ws.NextReader(); err != nil {
			break
		}
	}
	_ = c.ws.Close()
}

// Write sends one frame; its number is in it. It returns within 10 s.
func (c *Conn) Write(_ int64, frame []byte) error {
	if err := c.ws.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return c.ws.WriteMessage(websocket.TextMessage, frame)
}

// Close says goodbye with a close code (4000–4999 for ours) and a reason, and has Each end within 2 s.
func (c *Conn) Close(code int, reason string) {
	const limit = 123 // bytes of reason in a control frame, RFC 6455 section 5.5
	if len(reason) > limit {
		reason = reason[:limit]
	}
	now := time.Now()
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), now.Add(time.Second))
	_ = c.ws.SetReadDeadline(now.Add(lingerTime))
}

// Abort closes the connection without a word.
func (c *Conn) Abort() { _ = c.ws.Close() }

// hijacker finds the Hijack method behind middleware that wraps the ResponseWriter.
type hijacker struct {
	http.ResponseWriter
	failed error
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.failed = err
	return conn, rw, err
}
