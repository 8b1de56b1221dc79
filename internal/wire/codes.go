package wire

import (
	"fmt"
	"net/http"
)

// Code names a refusal. The same codes are in HTTP errors, in refused and ended
// frames, and, as numbers, in WebSocket close frames.
type Code string

// Retry says what a client does after a code ended its link or its session.
type Retry string

// The three answers to "what now", by the hundred of the close code.
const (
	RetryNever  Retry = "never"  // 40xx: nothing would change
	RetryRejoin Retry = "rejoin" // 41xx: join again, as new
	RetryResume Retry = "resume" // 42xx: open another link to the same session
)

// The codes. Rows says what each means.
const (
	BadRequest      Code = "bad_request"
	BadField        Code = "bad_field"
	UnknownField    Code = "unknown_field"
	BadRoom         Code = "bad_room"
	NotJSON         Code = "not_json"
	BodyTooLarge    Code = "body_too_large"
	NotFound        Code = "not_found"
	BadMethod       Code = "method_not_allowed"
	UpgradeRequired Code = "upgrade_required"
	Unauthorized    Code = "unauthorized"
	Forbidden       Code = "forbidden"
	OriginDenied    Code = "origin_denied"
	WrongSecret     Code = "wrong_secret"
	NoSession       Code = "no_session"
	RoomFull        Code = "room_full"
	TooManySessions Code = "too_many_sessions"
	RateLimited     Code = "rate_limited"
	PeerTaken       Code = "peer_taken"
	AttemptReused   Code = "attempt_reused"
	ResumeUsed      Code = "resume_used"
	Draining        Code = "draining"
	Unavailable     Code = "unavailable"
	Internal        Code = "internal"

	BadFrame       Code = "bad_frame"
	FrameTooLarge  Code = "frame_too_large"
	UnknownKind    Code = "unknown_kind"
	Gap            Code = "gap"
	NoPeer         Code = "no_peer"
	StaleEpoch     Code = "stale_epoch"
	Busy           Code = "busy"
	DataTooLarge   Code = "data_too_large"
	HistoryLost    Code = "history_lost"
	Superseded     Code = "superseded"
	Silent         Code = "silent"
	Stalled        Code = "stalled"
	Unconfirmed    Code = "unconfirmed"
	Left           Code = "left"
	Lost           Code = "lost"
	Slow           Code = "slow"
	Kicked         Code = "kicked"
	Expired        Code = "expired"
	ResumedByOther Code = "resumed"
	Rejoin         Code = "rejoin"
	Drain          Code = "drain"
)

// Row is what the table says of a code.
type Row struct {
	Code    Code   `json:"code"`
	Status  int    `json:"status"` // HTTP status
	Close   int    `json:"close"`  // WebSocket close code; 0 where the code never ends a link
	Message string `json:"message"`
}

// Retry tells what a client does when its link was closed with this row's code.
func (r Row) Retry() Retry {
	switch r.Close / 100 {
	case 41:
		return RetryRejoin
	case 42:
		return RetryResume
	}
	return RetryNever
}

// Rows is the table of codes, in the order in which the documents print it.
// Nothing may change it.
var Rows = []Row{
	{BadRequest, http.StatusBadRequest, 4000, "the request cannot be read"},
	{BadField, http.StatusBadRequest, 4000, "a field has a wrong value"},
	{UnknownField, http.StatusBadRequest, 4000, "there is no such field"},
	{BadRoom, http.StatusBadRequest, 4000, "a room name is 1 to 128 characters of A-Z a-z 0-9 - . _ ~, and not . or .."},
	{NotJSON, http.StatusUnsupportedMediaType, 0, "send Content-Type: application/json"},
	{BodyTooLarge, http.StatusRequestEntityTooLarge, 0, "the body is too large"},
	{NotFound, http.StatusNotFound, 0, "there is no such resource"},
	{BadMethod, http.StatusMethodNotAllowed, 0, "the resource does not know this method"},
	{UpgradeRequired, http.StatusUpgradeRequired, 0, "this resource is a WebSocket"},
	{Unauthorized, http.StatusUnauthorized, 4003, "the app token is missing or not valid"},
	{Forbidden, http.StatusForbidden, 4003, "this is not allowed to you"},
	{OriginDenied, http.StatusForbidden, 4003, "requests from this origin are not allowed"},
	{WrongSecret, http.StatusUnauthorized, 4003, "the session's secret is missing or wrong"},
	{NoSession, http.StatusNotFound, 4104, "the server knows no such session"},
	{RoomFull, http.StatusConflict, 4000, "the room has as many peers as it may have"},
	{TooManySessions, http.StatusTooManyRequests, 4000, "the room has as many sessions from this address as it may have"},
	{RateLimited, http.StatusTooManyRequests, 4205, "too much in too short a time; wait before you try again"},
	{PeerTaken, http.StatusConflict, 4000, "the peer id is in use"},
	{AttemptReused, http.StatusUnprocessableEntity, 4000, "the attempt was used with another body"},
	{ResumeUsed, http.StatusConflict, 4000, "the session was resumed already; join as new"},
	{Draining, http.StatusServiceUnavailable, 4200, "this node is shutting down"},
	{Unavailable, http.StatusServiceUnavailable, 4201, "the rooms cannot be reached just now"},
	{Internal, http.StatusInternalServerError, 4201, "something went wrong in the server"},

	{BadFrame, http.StatusBadRequest, 4000, "the message is not a valid frame"},
	{FrameTooLarge, http.StatusRequestEntityTooLarge, 4009, "the frame is too large"},
	{UnknownKind, http.StatusBadRequest, 0, "there is no such kind of frame"},
	{Gap, http.StatusConflict, 0, "frames are missing before this one; send again from received + 1"},
	{NoPeer, http.StatusNotFound, 0, "no such peer is in the room"},
	{StaleEpoch, http.StatusConflict, 0, "the peer has joined again since; its epoch is another"},
	{Busy, http.StatusTooManyRequests, 0, "the peer's mailbox is full"},
	{DataTooLarge, http.StatusRequestEntityTooLarge, 0, "the data is too large for this kind of frame"},
	{HistoryLost, http.StatusConflict, 4105, "the frames asked for are not there"},
	{Superseded, http.StatusConflict, 4001, "another link of this session took over"},
	{Silent, http.StatusRequestTimeout, 4202, "nothing was heard on this link for two heartbeats"},
	{Stalled, http.StatusRequestTimeout, 4203, "the link did not take its frames in time"},
	{Unconfirmed, http.StatusRequestTimeout, 4204, "the probe was not confirmed in time"},
	{Left, http.StatusGone, 4010, "the session has left the room"},
	{Lost, http.StatusGone, 4110, "the session had no link for too long"},
	{Slow, http.StatusGone, 4111, "the session did not read its frames"},
	{Kicked, http.StatusGone, 4011, "the session was ended by the operator"},
	{Expired, http.StatusGone, 4112, "the app token has expired; join with a new one"},
	{ResumedByOther, http.StatusGone, 4012, "the session was resumed by a newer one"},
	{Rejoin, http.StatusGone, 4100, "the server is going away; join again"},
	{Drain, http.StatusServiceUnavailable, 4200, "this link is to be replaced by another one"},
}

var rowOf = func() map[Code]Row {
	m := make(map[Code]Row, len(Rows))
	for _, r := range Rows {
		m[r.Code] = r
	}
	return m
}()

// Row returns the table's row of c; of a code that the table does not have, the
// row of Internal.
func (c Code) Row() Row {
	if r, ok := rowOf[c]; ok {
		return r
	}
	return rowOf[Internal]
}

// Error is a refusal as a client sees it. Its text never holds the text of an
// error from inside the server.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Field   string `json:"field,omitempty"` // the field at fault
	Limit   int64  `json:"limit,omitempty"` // the limit that was passed

	RetryAfter float64 `json:"retryAfter,omitempty"` // seconds; 0: waiting does not help
	Received   *int64  `json:"received,omitempty"`   // of a gap, or over the rate: the uplink frames received so far
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Refuse returns the refusal with the table's own message.
func Refuse(c Code) *Error { return &Error{Code: c, Message: c.Row().Message} }

// Refusef returns the refusal with a message of its own.
func Refusef(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// In names the field at fault.
func (e *Error) In(field string) *Error {
	e.Field = field
	return e
}

// After says that waiting so many seconds helps.
func (e *Error) After(seconds float64) *Error {
	e.RetryAfter = seconds
	return e
}

// Over names the limit that was passed.
func (e *Error) Over(limit int64) *Error {
	e.Limit = limit
	return e
}
