//go:build linux

package dialect

import (
	"errors"
	"net/http"

	"github.com/parley-rtc/parley/bench/internal/rawws"
)

// bareClient is a client of the server that only echoes.
type bareClient struct{ ws *rawws.Conn }

// bare makes the same two requests as a client of Parley's.
func bare(at Place) (Client, error) {
	body := `{"attempt":"mIHAkF0y8l2qCk0Xn1mT4yq3d8","instance":"` + at.Peer + `","peer":"` + at.Peer + `"}`
	if _, err := Request(at.Address, http.MethodPost, "/join", "", body, http.StatusCreated); err != nil {
		return nil, err
	}
	ws, err := rawws.Dial(at.Address, "/ws", "Sec-WebSocket-Protocol: parley.v1, parley.secret.mIHAkF0y8l2qCk0Xn1mT4yq3d8kQkz3V1b0nqk1lZ3w\r\n", at.buffer())
	if err != nil {
		return nil, err
	}
	if _, err := ws.Read(); err != nil {
		_ = ws.Close()
		return nil, err
	}
	return bareClient{ws}, nil
}

var errNoRelay = errors.New("the bare server relays nothing")

func (bareClient) ID() string                       { return "" }
func (bareClient) Signal(string, []byte) error      { return errNoRelay }
func (bareClient) Broadcast([]string, []byte) error { return errNoRelay }
func (c bareClient) Next() ([]byte, error)          { return c.ws.Read() }
func (c bareClient) Close() error                   { return c.ws.Close() }
