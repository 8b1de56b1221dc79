package client

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// ICE returns the servers for connections to the others, as they came last. The session gets fresh ones before
// their credentials expire, and tells by [ICEChanged].
func (s *Session) ICE() ICE {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ice
}

// FreshICE asks for ICE servers whose credentials are fresh, and keeps them for [Session.ICE].
func (s *Session) FreshICE(ctx context.Context) (ICE, error) {
	ice, err := s.fetchICE(ctx, s.joined())
	if err != nil {
		return ICE{}, err
	}
	s.setICE(ice)
	return ice, nil
}

func (s *Session) fetchICE(ctx context.Context, at wire.JoinReply) (ICE, error) {
	var reply wire.ICEReply
	if err := s.api.call(ctx, requestTime, http.MethodGet, "/"+at.Session+"/ice", at.Secret, nil, &reply); err != nil {
		return ICE{}, err
	}
	return iceOf(reply.ICEServers, reply.TTL), nil
}

func (s *Session) setICE(ice ICE) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ice, s.iceAt = ice, time.Now()
}

// keepICE takes in a frame with fresh servers.
func (s *stay) keepICE(f wire.Downlink) {
	ice := iceOf(f.ICEServers, f.TTL)
	s.setICE(ice)
	s.emit(ICEChanged{ice})
}

// renewal is how a stay gets fresh ICE servers by itself.
type renewal struct {
	busy bool
	next time.Time // not before
}

// renewICE asks for fresh servers when 80 % of the life of those at hand is over: the server should have
// sent some before.
func (s *stay) renewICE(now time.Time, due *alarm) {
	s.mu.Lock()
	ttl, at := s.ice.TTL, s.iceAt
	s.mu.Unlock()
	if ttl <= 0 || s.renewal.busy {
		return
	}
	at = at.Add(ttl / 10 * 8)
	if at.Before(s.renewal.next) {
		at = s.renewal.next
	}
	if now.Before(at) {
		due.by(at)
		return
	}
	s.renewal.busy = true
	s.spawn(s.inbox, func() func() {
		ice, err := s.fetchICE(s.ctx, s.reply)
		return func() {
			s.renewal.busy = false
			s.renewal.next = time.Now().Add(max(ttl/8, s.opts.pace.renew))
			var refused *Error
			switch {
			case err == nil:
				s.setICE(ice)
				s.emit(ICEChanged{ice})
			case errors.As(err, &refused) && s.said(refused, 0):
			default:
				s.log.Debug("no fresh ICE servers", "error", err)
			}
		}
	})
}
