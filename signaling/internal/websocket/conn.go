// Package websocket moves frames over a WebSocket (RFC 6455), one frame a text
// message. It knows nothing of what is in them. The handshake is gorilla/websocket's; what
// follows is read and written here, so that an idle connection has the goroutine
// that waits for it, and neither a buffer nor a timer.
package websocket

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/signaling/internal/socket"
)

const lingerTime = 2 * time.Second // for the other side to answer a close

// Protocol is the subprotocol that is selected; SecretPrefix begins the one that
// carries a session's secret and is never selected.
const (
	Protocol     = "parley.v1"
	SecretPrefix = "parley.secret."
)

// ErrNotHijackable says that middleware hides the connection.
var ErrNotHijackable = errors.New("websocket: middleware must implement Unwrap or Hijack")

var upgrader = websocket.Upgrader{
	ReadBufferSize:  1, // it is not read through; the least that there is
	WriteBufferPool: new(sync.Pool),
	Subprotocols:    []string{Protocol},
	CheckOrigin:     func(*http.Request) bool { return true }, // checked for every request, before any link
	Error:           func(http.ResponseWriter, *http.Request, int, error) {},
}

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

// Conn is one WebSocket. Each is for one goroutine; Try, Write and Close for one at a time;
// Abort may be called from anywhere. The first frame has to be appended before anything else is written.
type Conn struct {
	socket.Writer
	conn    net.Conn
	in      reader
	handler Handler     // owned by Each
	head    []byte      // the answer to the handshake, until the first frame
	closing atomic.Bool // a close frame was sent
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
	c = newConn(h.conn)
	c.head = ws.NetConn().(*held).written
	return c, true, nil
}

func newConn(conn net.Conn) *Conn {
	c := &Conn{conn: conn}
	c.Init(conn)
	c.in.Init(conn)
	return c
}

// Handler is what [Conn.Each] calls, on one goroutine.
type Handler interface {
	Message(b []byte) // b is nil for a message that is not text, and only valid until Message returns
	Settle()          // after all messages that came at once
	Answer(b []byte)  // what is to be written for a control frame (RFC 6455 section 5.5)
}

// Each has h handle every message, until the connection ends. A message over limit bytes ends it with ErrTooLarge,
// and is left to the caller to answer by Close.
//
// What is on the stack while it waits is kept small, here and in what it calls: an idle connection's stack is
// 2 KB then, and twice that with a few words more.
func (c *Conn) Each(limit int, h Handler) error {
	c.handler = h
	err := c.in.each(limit, h, c)
	if errors.Is(err, errProtocol) {
		c.goodbye(closedProtocol)
	}
	return err
}

// control handles a control frame.
func (c *Conn) control(opcode byte, payload []byte) error {
	switch opcode {
	case opPing:
		c.handler.Answer(appendMessage(nil, opPong, payload))
	case opClose:
		if !sendable(payload) {
			return errProtocol
		}
		c.goodbye(payload[:min(len(payload), 2)]) // the code, without the reason
		return errClosed
	}
	return nil
}

// goodbye answers a close frame, or what was no frame.
func (c *Conn) goodbye(payload []byte) {
	if !c.closing.Swap(true) {
		c.handler.Answer(appendMessage(nil, opClose, payload))
	}
}

var closedProtocol = binary.BigEndian.AppendUint16(nil, closeProtocol)

// sendable says whether that can be in a close frame: nothing, or a code that is not only for those who
// have heard none (RFC 6455 section 7.4).
func sendable(payload []byte) bool {
	if len(payload) < 2 {
		return len(payload) == 0
	}
	switch code := binary.BigEndian.Uint16(payload); code {
	case 1005, 1006, 1015:
		return false
	default:
		return code >= 1000 && code < 5000
	}
}

// Drain reads and forgets what still comes, until the other side has answered a
// Close or its time is over, and closes the connection.
func (c *Conn) Drain() {
	_ = c.conn.SetReadDeadline(time.Now().Add(lingerTime))
	_ = c.Each(1<<20, deaf{})
	_ = c.conn.Close()
}

// deaf handles nothing.
type deaf struct{}

func (deaf) Message([]byte) {}
func (deaf) Settle()        {}
func (deaf) Answer([]byte)  {}

// Append appends a frame as a text message; its number is in it. The first has the answer to the handshake before it,
// so that both go in one packet. After a close frame nothing is appended (RFC 6455 section 5.5.1).
func (c *Conn) Append(b []byte, _ int64, frame []byte) []byte {
	if c.head != nil {
		b, c.head = append(b, c.head...), nil
	}
	if c.closing.Load() {
		return b
	}
	return appendMessage(b, opText, frame)
}

// appendMessage appends an unfragmented message, unmasked (RFC 6455 section 5.2).
func appendMessage(b []byte, opcode byte, payload []byte) []byte {
	const final, length16, length64 = 0x80, 126, 127
	b = append(b, final|opcode)
	switch n := len(payload); {
	case n < length16:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, length16), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, length64), uint64(n))
	}
	return append(b, payload...)
}

// Close says goodbye with a close code (4000–4999 for ours) and a reason, and has Each end within 2 s.
func (c *Conn) Close(code int, reason string) {
	if !c.closing.Swap(true) {
		payload := binary.BigEndian.AppendUint16(nil, uint16(code))
		payload = append(payload, reason[:min(len(reason), maxControl-len(payload))]...)
		_ = c.Write(appendMessage(nil, opClose, payload)) // if it cannot be told, it finds out
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(lingerTime))
}

// Abort closes the connection without a word.
func (c *Conn) Abort() { _ = c.conn.Close() }

// hijacker finds the Hijack method behind middleware that wraps the ResponseWriter.
type hijacker struct {
	http.ResponseWriter
	conn   net.Conn
	failed error
}

// held is a connection that holds back what is written.
type held struct {
	net.Conn
	written []byte
}

// Write implements net.Conn.
func (h *held) Write(b []byte) (int, error) {
	h.written = append(h.written, b...)
	return len(b), nil
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if h.conn, h.failed = conn, err; err != nil {
		return nil, nil, err
	}
	return &held{Conn: conn}, rw, nil
}
