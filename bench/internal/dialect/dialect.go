//go:build linux

package dialect

import (
	"errors"
	"fmt"

	"github.com/parley-rtc/parley/bench/internal/contender"
)

// RefusedError says that the server has not delivered a message that the client sent earlier.
type RefusedError struct {
	To   string // the peer that did not get it
	Text string // what the server said
}

func (e *RefusedError) Error() string { return "a message was refused: " + e.Text }

// Client is one peer in a room. Next is for one goroutine, and Signal and Broadcast are for one; Close is for any.
type Client interface {
	// ID is what the others call it.
	ID() string

	// Signal sends data, a JSON value, to the peer of that id.
	Signal(to string, data []byte) error

	// Broadcast sends data to everybody in the room; others are their ids, without this peer. A server
	// may send it back to the peer, too.
	Broadcast(others []string, data []byte) error

	// Next returns the next message that holds data of a peer, as it came; it is valid until the next
	// call. What the server wants for its own sake is answered meanwhile. After a
	// [*RefusedError] it goes on.
	Next() ([]byte, error)

	Close() error
}

// Place is where a client goes.
type Place struct {
	Address string // the server's host:port
	Room    string
	Peer    string // the wanted id, where the server lets clients choose
	Buffer  int    // for reading, in bytes; 0: 4,096

	// Relays has the client take what is sent to it alone, and be sure of it. Where that costs
	// more than being in the room, a client that only connects leaves it out.
	Relays bool
}

func (p Place) buffer() int {
	if p.Buffer == 0 {
		return 4096
	}
	return p.Buffer
}

// Connect has a client enter a room.
func Connect(kind contender.Kind, at Place) (Client, error) {
	var c Client
	var err error
	switch kind {
	case contender.Parley:
		c, err = parley(at)
	case contender.Bare:
		c, err = bare(at)
	case contender.YWebRTC:
		c, err = yWebRTC(at)
	case contender.PeerJS:
		c, err = peerJS(at)
	case contender.SocketIO:
		c, err = socketIO(at)
	default:
		err = errors.New("there is no such server")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: connect: %w", kind, err)
	}
	return c, nil
}
