//go:build linux

package dialect

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/parley-rtc/parley/bench/internal/rawws"
	"github.com/parley-rtc/parley/internal/wire"
)

// Session is a session of Parley's, joined and without a link.
type Session struct {
	Address string
	Path    string // of the session
	Secret  string
	Peer    string
}

// Join makes a session of Parley's.
func Join(at Place) (Session, error) {
	rooms := "/v1/rooms/" + at.Room + "/sessions"
	body := `{"attempt":"` + rand.Text() + `","instance":"` + at.Peer + `","peer":"` + at.Peer + `"}`
	text, err := Request(at.Address, http.MethodPost, rooms, "", body, http.StatusCreated)
	if err != nil {
		return Session{}, err
	}
	var reply wire.JoinReply
	if err := json.Unmarshal(text, &reply); err != nil {
		return Session{}, fmt.Errorf("the answer to a join: %w", err)
	}
	return Session{at.Address, rooms + "/" + reply.Session, reply.Secret, reply.Peer}, nil
}

// Bearer is the header line of requests of the session.
func (s Session) Bearer() string { return "Authorization: Bearer " + s.Secret + "\r\n" }

// ParleyClient is a client of Parley's on a WebSocket.
type ParleyClient struct {
	Session
	ws *rawws.Conn

	sent   int64  // numbered frames; owned by whoever sends
	up     []byte // owned by whoever sends
	heard  int64  // numbered frames; owned by Next
	acked  int64  // owned by Next
	unsaid int    // bytes not acknowledged; owned by Next
}

// parley joins and opens a WebSocket, as a page does.
func parley(at Place) (*ParleyClient, error) {
	session, err := Join(at)
	if err != nil {
		return nil, err
	}
	return session.WebSocket(at.buffer())
}

// WebSocket opens a WebSocket that reads into a buffer of that size.
func (s Session) WebSocket(buffer int) (*ParleyClient, error) {
	offer := "Sec-WebSocket-Protocol: parley.v1, parley.secret." + s.Secret + "\r\n"
	ws, err := rawws.Dial(s.Address, s.Path+"/ws", offer, buffer)
	if err != nil {
		return nil, err
	}
	c := &ParleyClient{Session: s, ws: ws}
	hello, err := ws.Read()
	if err == nil && !bytes.HasPrefix(hello, []byte(`{"kind":"hello"`)) {
		err = fmt.Errorf("the first frame is %.100s", hello)
	}
	if err != nil {
		_ = ws.Close()
		return nil, err
	}
	return c, nil
}

// ID implements [Client].
func (c *ParleyClient) ID() string { return c.Peer }

// Signal implements [Client].
func (c *ParleyClient) Signal(to string, data []byte) error {
	c.begin("signal")
	c.up = append(c.up, `,"to":"`...)
	c.up = append(c.up, to...)
	return c.end(`","data":`, data)
}

// Broadcast implements [Client].
func (c *ParleyClient) Broadcast(_ []string, data []byte) error {
	c.begin("broadcast")
	return c.end(`,"data":`, data)
}

// Leave ends the session, and returns when the server has closed the WebSocket.
func (c *ParleyClient) Leave() error {
	c.begin("leave")
	if err := c.ws.Write(append(c.up, '}')); err != nil {
		return err
	}
	for {
		if _, err := c.frame(); err != nil {
			return nil // closed
		}
	}
}

func (c *ParleyClient) begin(kind string) {
	c.sent++
	c.up = append(append(c.up[:0], `{"kind":"`...), kind...)
	c.up = strconv.AppendInt(append(c.up, `","n":`...), c.sent, 10)
}

func (c *ParleyClient) end(between string, data []byte) error {
	c.up = append(append(append(c.up, between...), data...), '}')
	return c.ws.Write(c.up)
}

// Ping asks the server for a pong, which [ParleyClient.Pong] waits for.
func (c *ParleyClient) Ping() error { return c.ws.Write([]byte(`{"kind":"ping"}`)) }

// Pong reads until the server has answered a ping.
func (c *ParleyClient) Pong() error {
	for {
		switch frame, err := c.frame(); {
		case err != nil:
			return err
		case isKind(frame, "pong"):
			return nil
		}
	}
}

// Pinged reads until the server has pinged, and answers.
func (c *ParleyClient) Pinged() error {
	for {
		switch frame, err := c.frame(); {
		case err != nil:
			return err
		case isKind(frame, "ping"):
			return nil
		}
	}
}

// Next implements [Client].
func (c *ParleyClient) Next() ([]byte, error) {
	for {
		switch frame, err := c.frame(); {
		case err != nil:
			return nil, err
		case isKind(frame, "signal"):
			return frame, nil
		case isKind(frame, "refused"):
			return nil, refusal(frame)
		case isKind(frame, "ended"):
			return nil, fmt.Errorf("the server sent %.200s", frame)
		}
	}
}

func refusal(frame []byte) error {
	var f wire.Downlink
	if err := json.Unmarshal(frame, &f); err != nil {
		return fmt.Errorf("a refusal that cannot be read: %w", err)
	}
	return &RefusedError{To: f.To, Text: string(frame)}
}

// frame reads a frame, and does for the server what it asks of clients.
func (c *ParleyClient) frame() ([]byte, error) {
	frame, err := c.ws.Read()
	switch {
	case err != nil:
		return nil, err
	case isKind(frame, "ping"):
		return frame, c.ws.Write([]byte(`{"kind":"pong"}`))
	}
	rest, numbered := bytes.CutPrefix(frame[bytes.IndexByte(frame, ',')+1:], []byte(`"n":`))
	if !numbered || isKind(frame, "received") {
		return frame, nil
	}
	end := bytes.IndexAny(rest, ",}")
	if c.heard, err = strconv.ParseInt(string(rest[:max(end, 0)]), 10, 64); err != nil {
		return nil, fmt.Errorf("a frame without its number: %.100s", frame)
	}
	const ackFrames, ackBytes = 64, 64 << 10 // as the protocol asks
	c.unsaid += len(frame)
	if c.heard-c.acked < ackFrames && c.unsaid < ackBytes {
		return frame, nil
	}
	c.acked, c.unsaid = c.heard, 0
	return frame, c.ws.Write(append(strconv.AppendInt([]byte(`{"kind":"ack","n":`), c.acked, 10), '}'))
}

// isKind says whether a frame of Parley's is of that kind, which comes first in it.
func isKind(frame []byte, kind string) bool {
	const before = len(`{"kind":"`)
	return len(frame) > before+len(kind) && string(frame[before:before+len(kind)]) == kind && frame[before+len(kind)] == '"'
}

// Close implements [Client].
func (c *ParleyClient) Close() error { return c.ws.Close() }
