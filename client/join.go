package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"net/http"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// Join joins a room. Server is the URL below which the server's /v1/ is. It tries again, without
// harm, for as long as the server cannot be reached or is unable to answer, until ctx ends; ctx does not bound the session.
// When the server refuses the join, or something answers that is no Parley server, the error is an [*Error]. The caller
// reads [Session.Events], and ends the session by [Session.Leave] or [Session.Close].
func Join(ctx context.Context, server, room string, opts Options) (*Session, error) {
	opts, err := opts.resolved(server, room)
	if err != nil {
		return nil, err
	}
	a := newAPI(server, room, opts.HTTPClient)
	ask := wire.JoinRequest{Instance: opts.Instance, Peer: opts.Peer, Name: opts.Name, Meta: opts.Meta, Resume: opts.Resume}
	j := joining{api: a, opts: opts, patient: false}
	reply, err := j.join(ctx, ask)
	if err != nil {
		a.close()
		return nil, err
	}
	return newSession(a, room, opts, ask, reply), nil
}

// joining is how a join is repeated.
type joining struct {
	api     *api
	opts    Options
	patient bool // an app that has no token just now is asked again
}

// join joins until there is a session or a final refusal, or ctx ends.
func (j joining) join(ctx context.Context, ask wire.JoinRequest) (wire.JoinReply, error) {
	ask.Attempt = rand.Text() // the same each time: if a reply was lost the session is found again
	var last error            // that was not the end of ctx
	for failures := 0; ; failures++ {
		reply, err := j.once(ctx, ask)
		var refused *Error
		var noToken *tokenError
		switch {
		case err == nil:
			return reply, nil
		case ctx.Err() != nil:
			return reply, fmt.Errorf("client: join: %w", errors.Join(ctx.Err(), last))
		case errors.As(err, &refused) && !refused.passes() && (!refused.foreign || !j.patient): // a login page, say, does not end a session
			return reply, err
		case errors.As(err, &noToken) && !j.patient:
			return reply, err
		case refused != nil && outcomeOf(refused.Code) == rejoins:
			ask.Attempt = rand.Text() // the session that this one made is over, its reply having been lost
		}
		last = err
		delay := jitter(j.opts.pace.retry, j.opts.pace.retryMax, failures)
		if refused != nil {
			delay += refused.RetryAfter
		}
		j.opts.Logger.Debug("join failed", "error", err, "again_in", delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return reply, fmt.Errorf("client: join: %w", errors.Join(ctx.Err(), err))
		}
	}
}

func (j joining) once(ctx context.Context, ask wire.JoinRequest) (wire.JoinReply, error) {
	var reply wire.JoinReply
	token := ""
	if j.opts.Token != nil {
		var err error
		if token, err = j.opts.Token(ctx); err != nil {
			return reply, &tokenError{err}
		}
	}
	err := j.api.call(ctx, requestTime, http.MethodPost, "", token, ask, &reply)
	var refused *Error
	switch {
	case err == nil && (reply.Session == "" || reply.Secret == "" || reply.Peer == "" || reply.Limits.Frame <= 0):
		err = nobodyAt(j.api.server, http.StatusOK)
	case errors.As(err, &refused) && refused.Code == "" && !refused.passes() && !refused.foreign:
		err = nobodyAt(j.api.server, refused.Status)
	}
	return reply, err
}

// tokenError is the app's own failure to make a token.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return "client: token: " + e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// jitter is how long to wait after so many failures: anything up to first, doubled each time up to limit.
func jitter(first, limit time.Duration, failures int) time.Duration {
	return randv2.N(doubled(first, limit, failures) + 1)
}

func doubled(first, limit time.Duration, times int) time.Duration {
	if times > 20 || first<<times > limit {
		return limit
	}
	return first << times
}
