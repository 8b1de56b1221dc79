package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// ErrClosed is what sending returns after [Session.Leave] or [Session.Close].
var ErrClosed = errors.New("client: session closed")

// Error is a refusal by the server, or, with Status 0, by the client in the server's words.
type Error struct {
	Code       string        // of the protocol's table: "room_full"; "": the server's answer was not of the protocol
	Message    string        // for people
	Status     int           // HTTP status; 0: the refusal did not come as one
	RetryAfter time.Duration // 0: the server does not say that waiting helps

	received *int64 // of a gap, or over the rate
	foreign  bool   // the answer is no Parley server's
}

// Error implements error.
func (e *Error) Error() string {
	if e.foreign {
		return "client: " + e.Message
	}
	if e.Code == "" {
		return fmt.Sprintf("client: status %d: %s", e.Status, e.Message)
	}
	return "client: " + e.Code + ": " + e.Message
}

func refusal(code wire.Code, message string) *Error {
	if message == "" {
		message = code.Row().Message
	}
	return &Error{Code: string(code), Message: message}
}

func refusalOf(e *wire.Error) *Error {
	return &Error{
		Code: string(e.Code), Message: e.Message, received: e.Received,
		RetryAfter: time.Duration(e.RetryAfter * float64(time.Second)),
	}
}

// refusalIn reads a response that is no success.
func refusalIn(res *http.Response) *Error {
	const limit = 16 << 10
	body, err := io.ReadAll(io.LimitReader(res.Body, limit))
	var reply wire.ErrorReply
	refused := &Error{Message: http.StatusText(res.StatusCode)}
	if err == nil && json.Unmarshal(body, &reply) == nil && reply.Error != nil && reply.Error.Code != "" {
		refused = refusalOf(reply.Error)
	}
	refused.Status = res.StatusCode
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 && refused.RetryAfter == 0 {
		refused.RetryAfter = time.Duration(s) * time.Second
	}
	refused.RetryAfter = min(max(refused.RetryAfter, 0), maxRetryAfter)
	return refused
}

// nobodyAt is what a join returns when something that is no Parley server answers.
func nobodyAt(server string, status int) *Error {
	return &Error{
		Status: status, foreign: true,
		Message: fmt.Sprintf("no Parley server answers at %s (status %d %s): is the URL right, with the server's path if it has one?", server, status, http.StatusText(status)),
	}
}

// maxRetryAfter bounds what a server can make a client wait.
const maxRetryAfter = time.Minute

// passes says whether a join that was refused so may succeed later.
func (e *Error) passes() bool {
	switch {
	case e.Code != "" && e.Status < 500:
		return wire.Code(e.Code).Row().Retry() != wire.RetryNever || e.Status == http.StatusTooManyRequests && e.RetryAfter > 0
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusTooEarly, e.Status == http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500
}

// An outcome is what a refusal means for the session.
type outcome int

const (
	lives   outcome = iota // only the link, or the request, is at fault
	rejoins                // it is over, and another may be joined
	over                   // it is over
)

func outcomeOf(code string) outcome {
	switch c := wire.Code(code); c {
	case wire.WrongSecret, wire.Left, wire.Kicked, wire.ResumedByOther, wire.Unauthorized, wire.Forbidden:
		return over
	default:
		if c.Row().Retry() == wire.RetryRejoin {
			return rejoins
		}
	}
	return lives
}
