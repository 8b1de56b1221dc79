package signaling

import (
	"cmp"
	"errors"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

// ErrServerClosed is returned by [Server.Shutdown] after [Server.Close].
var ErrServerClosed = errors.New("signaling: server closed")

// Error is a refusal that a hook words itself: its message reaches the client,
// which the text of any other error never does.
type Error struct {
	Code    string // of the protocol's table: "unauthorized", "forbidden", "unavailable"; any other: that of the hook
	Message string // "": the table's
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// refusalOfHook returns what a client is told of a hook's error.
func refusalOfHook(err error, code wire.Code) *wire.Error {
	var e *Error
	if !errors.As(err, &e) {
		return wire.Refuse(code)
	}
	if given := wire.Code(e.Code); given.Row().Code == given {
		code = given
	}
	refusal := wire.Refuse(code)
	refusal.Message = cmp.Or(e.Message, refusal.Message)
	if code == wire.Unavailable {
		return refusal.After(1)
	}
	return refusal
}

func isEnded(err error, code string) bool {
	var ended *store.EndedError
	return errors.As(err, &ended) && ended.Code == code
}

var codeOfStore = map[error]wire.Code{
	store.ErrNoSession:     wire.NoSession,
	store.ErrWrongSecret:   wire.WrongSecret,
	store.ErrRoomFull:      wire.RoomFull,
	store.ErrTooMany:       wire.TooManySessions,
	store.ErrPeerTaken:     wire.PeerTaken,
	store.ErrAttemptReused: wire.AttemptReused,
	store.ErrResumeUsed:    wire.ResumeUsed,
	store.ErrHistoryLost:   wire.HistoryLost,
	store.ErrSuperseded:    wire.Superseded,
}

// refusalOf returns what a client is told of a store's error. One that the store
// does not mean for clients is logged: the store could not be reached.
func (s *Server) refusalOf(err error) *wire.Error {
	var ended *store.EndedError
	if errors.As(err, &ended) {
		return wire.Refuse(wire.Code(ended.Code))
	}
	for known, code := range codeOfStore {
		if errors.Is(err, known) {
			return wire.Refuse(code)
		}
	}
	s.storeFailed(err)
	return wire.Refuse(wire.Unavailable).After(1)
}
