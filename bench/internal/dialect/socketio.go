//go:build linux

package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-rtc/parley/bench/internal/rawws"
)

// Packets of Engine.IO 4, and of Socket.IO 5 in its messages.
const (
	engineOpen    = '0'
	enginePing    = '2'
	enginePong    = "3"
	engineMessage = '4'

	socketConnect = "40"
	socketEvent   = "42"
	socketAck     = "43"
)

// socketIOClient is a client of Socket.IO's that uses WebSocket from the start: the cheapest way in.
type socketIOClient struct {
	ws   *rawws.Conn
	id   string
	room string
	out  []byte // owned by whoever sends
}

func socketIO(at Place) (Client, error) {
	ws, err := rawws.Dial(at.Address, "/socket.io/?EIO=4&transport=websocket", "", at.buffer())
	if err != nil {
		return nil, err
	}
	c := &socketIOClient{ws: ws, room: at.Room}
	if err := c.enter(at.Relays); err != nil {
		_ = ws.Close()
		return nil, err
	}
	return c, nil
}

// enter connects to the default namespace and joins the room.
func (c *socketIOClient) enter(sure bool) error {
	open, err := c.ws.Read()
	if err != nil {
		return err
	}
	if len(open) == 0 || open[0] != engineOpen {
		return fmt.Errorf("the first packet is %.100s", open)
	}
	if err := c.ws.Write([]byte(socketConnect)); err != nil {
		return err
	}
	connected, err := c.packet()
	if err != nil {
		return err
	}
	if c.id, err = socketID(connected); err != nil {
		return err
	}
	if !sure {
		return c.ws.Write([]byte(socketEvent + `["join","` + c.room + `"]`))
	}
	if err := c.ws.Write([]byte(socketEvent + `0["join","` + c.room + `"]`)); err != nil {
		return err
	}
	joined, err := c.packet()
	if err == nil && !bytes.HasPrefix(joined, []byte(socketAck+"0")) {
		err = fmt.Errorf("the answer to join is %.100s", joined)
	}
	return err
}

// socketID reads the answer to a connect.
func socketID(packet []byte) (string, error) {
	text, ok := bytes.CutPrefix(packet, []byte(socketConnect))
	if !ok {
		return "", fmt.Errorf("the answer to connect is %.100s", packet)
	}
	var answer struct {
		ID string `json:"sid"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return "", fmt.Errorf("the answer to connect: %w", err)
	}
	if answer.ID == "" {
		return "", errors.New("the answer to connect has no sid")
	}
	return answer.ID, nil
}

// packet returns the next message packet, and answers pings.
func (c *socketIOClient) packet() ([]byte, error) {
	for {
		packet, err := c.ws.Read()
		switch {
		case err != nil:
			return nil, err
		case len(packet) == 1 && packet[0] == enginePing:
			if err := c.ws.Write([]byte(enginePong)); err != nil {
				return nil, err
			}
		case len(packet) > 1 && packet[0] == engineMessage:
			return packet, nil
		default:
			return nil, fmt.Errorf("the server sent %.200s", packet)
		}
	}
}

func (c *socketIOClient) ID() string { return c.id }

func (c *socketIOClient) Signal(to string, data []byte) error { return c.emit("signal", to, data) }

func (c *socketIOClient) Broadcast(_ []string, data []byte) error {
	return c.emit("broadcast", c.room, data)
}

func (c *socketIOClient) emit(event, to string, data []byte) error {
	c.out = append(append(append(c.out[:0], socketEvent+`["`...), event...), `","`...)
	c.out = append(append(append(c.out, to...), `",`...), data...)
	return c.ws.Write(append(c.out, ']'))
}

func (c *socketIOClient) Next() ([]byte, error) {
	for {
		packet, err := c.packet()
		if err != nil || bytes.HasPrefix(packet, []byte(socketEvent)) {
			return packet, err
		}
	}
}

func (c *socketIOClient) Close() error { return c.ws.Close() }
