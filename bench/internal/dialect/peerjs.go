//go:build linux

package dialect

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/parley-rtc/parley/bench/internal/rawws"
)

// peerJSClient is a client of PeerJS's server, which knows no rooms.
type peerJSClient struct {
	ws  *rawws.Conn
	id  string
	out []byte // owned by whoever sends
}

func peerJS(at Place) (Client, error) {
	id, err := Request(at.Address, http.MethodGet, "/peerjs/id", "", "", http.StatusOK)
	if err != nil {
		return nil, err
	}
	ws, err := rawws.Dial(at.Address, "/peerjs?key=peerjs&id="+string(id)+"&token="+at.Peer+"&version=1.5.5", "", at.buffer())
	if err != nil {
		return nil, err
	}
	open, err := ws.Read()
	if err == nil && string(open) != `{"type":"OPEN"}` {
		err = fmt.Errorf("the first message is %.100s", open)
	}
	if err != nil {
		_ = ws.Close()
		return nil, err
	}
	return &peerJSClient{ws: ws, id: string(id)}, nil
}

func (c *peerJSClient) ID() string { return c.id }

func (c *peerJSClient) Signal(to string, data []byte) error {
	c.out = append(append(c.out[:0], `{"type":"CANDIDATE","dst":"`...), to...)
	c.out = append(append(append(c.out, `","payload":`...), data...), '}')
	return c.ws.Write(c.out)
}

// Broadcast sends to one after the other, which is what PeerJS's clients have to do.
func (c *peerJSClient) Broadcast(others []string, data []byte) error {
	for _, to := range others {
		if err := c.Signal(to, data); err != nil {
			return err
		}
	}
	return nil
}

func (c *peerJSClient) Next() ([]byte, error) {
	message, err := c.ws.Read()
	if err == nil && !bytes.HasPrefix(message, []byte(`{"type":"CANDIDATE"`)) {
		err = fmt.Errorf("the server sent %.200s", message)
	}
	return message, err
}

func (c *peerJSClient) Close() error { return c.ws.Close() }
