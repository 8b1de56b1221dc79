//go:build linux

package dialect

import (
	"bytes"
	"fmt"

	"github.com/parley-rtc/parley/bench/internal/rawws"
)

// yWebRTCClient is a client of y-webrtc's signaling server, which publishes to topics. It subscribes to
// its room's and, if others are to send to it alone, to one of its own: in y-webrtc itself all
// goes to the room, and back to the sender.
type yWebRTCClient struct {
	ws   *rawws.Conn
	room string
	peer string
	out  []byte // owned by whoever sends
}

func yWebRTC(at Place) (Client, error) {
	ws, err := rawws.Dial(at.Address, "/", "", at.buffer())
	if err != nil {
		return nil, err
	}
	c := &yWebRTCClient{ws: ws, room: at.Room, peer: at.Room + "." + at.Peer}
	if err := c.subscribe(at.Relays); err != nil {
		_ = ws.Close()
		return nil, err
	}
	return c, nil
}

func (c *yWebRTCClient) subscribe(relays bool) error {
	if !relays {
		return c.ws.Write([]byte(`{"type":"subscribe","topics":["` + c.room + `"]}`))
	}
	// The pong says that the subscription is done; nothing else does.
	if err := c.ws.Write([]byte(`{"type":"subscribe","topics":["` + c.room + `","` + c.peer + `"]}`)); err != nil {
		return err
	}
	if err := c.ws.Write([]byte(`{"type":"ping"}`)); err != nil {
		return err
	}
	pong, err := c.ws.Read()
	if err == nil && string(pong) != `{"type":"pong"}` {
		err = fmt.Errorf("the first message is %.100s", pong)
	}
	return err
}

func (c *yWebRTCClient) ID() string { return c.peer }

func (c *yWebRTCClient) Signal(to string, data []byte) error { return c.publish(to, data) }

func (c *yWebRTCClient) Broadcast(_ []string, data []byte) error {
	return c.publish(c.room, data)
}

func (c *yWebRTCClient) publish(topic string, data []byte) error {
	c.out = append(append(c.out[:0], `{"type":"publish","topic":"`...), topic...)
	c.out = append(append(append(c.out, `","data":`...), data...), '}')
	return c.ws.Write(c.out)
}

func (c *yWebRTCClient) Next() ([]byte, error) {
	for {
		message, err := c.ws.Read()
		if err != nil || bytes.HasPrefix(message, []byte(`{"type":"publish"`)) {
			return message, err
		}
	}
}

func (c *yWebRTCClient) Close() error { return c.ws.Close() }
