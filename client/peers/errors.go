package peers

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrClosed is what comes after [Room.Leave] or [Room.Close], and of a peer that is gone.
	ErrClosed = errors.New("peers: closed")

	// ErrLost is what a channel returns when its connection was lost or replaced: messages may have been lost.
	ErrLost = errors.New("peers: connection lost")
)

// What is wrong with what came from a peer, as [Fault] tells it.
var (
	// ErrNoteUnreadable tells of a signal that is nothing that peers say.
	ErrNoteUnreadable = errors.New("peers: a note that cannot be read")

	// ErrTooMuch tells of more notes, candidates, connections or channels than a peer has use for. The excess was dropped.
	ErrTooMuch = errors.New("peers: more than a peer has use for")

	// ErrMessageDropped tells of something on a channel that is malformed, or over the limit of [Config.MaxMessage].
	ErrMessageDropped = errors.New("peers: a message that is malformed or over the limit was dropped")

	// ErrNegotiation tells of a description that could not be made or applied.
	ErrNegotiation = errors.New("peers: negotiation")

	// ErrNoRelay tells that only relayed paths are allowed, and the server has named no relay.
	ErrNoRelay = errors.New("peers: only relayed paths are allowed, and the server has no relay")
)

// What is wrong with the proof of a description: it is not applied.
var (
	// ErrNoKey tells of a peer that does not have the room's key.
	ErrNoKey = errors.New("peers: the peer does not have this room's key")

	// ErrOtherKey tells of a peer with another key.
	ErrOtherKey = errors.New("peers: the peer has another key")

	// ErrKeyNeeded tells of a peer that refused this side, which has no key.
	ErrKeyNeeded = errors.New("peers: the peer refused this side, which does not have its key")

	// ErrChanged tells of a description that is not as it was signed.
	ErrChanged = errors.New("peers: it was changed on its way: by the server, or something before it")

	// ErrRepeated tells of a description that is older than one before.
	ErrRepeated = errors.New("peers: it came again, or out of order")
)

// TooLargeError is what writing returns for a message that could never be sent.
type TooLargeError struct{ Size, Limit int }

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("peers: a message of %d bytes is over the limit of %d", e.Size, e.Limit)
}

// ChannelsDifferError tells of channels that only one of two has: they do not open between them.
type ChannelsDifferError struct{ Here, There []string }

// Error implements error.
func (e *ChannelsDifferError) Error() string {
	var parts []string
	if len(e.Here) > 0 {
		parts = append(parts, "only this side has "+quoted(e.Here))
	}
	if len(e.There) > 0 {
		parts = append(parts, "only the peer has "+quoted(e.There))
	}
	return "peers: channels differ: " + strings.Join(parts, ", ")
}

// quoted writes a few names for people.
func quoted(names []string) string {
	const most, length = 5, 40
	shown := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		shown = append(shown, fmt.Sprintf("%.*q", length, name))
	}
	text := strings.Join(shown, ", ")
	if len(names) > most {
		text += " and others"
	}
	return text
}
