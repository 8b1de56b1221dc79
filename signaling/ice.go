package signaling

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

const (
	freshICE   = time.Minute      // a session older than this may have servers from long ago when it opens a link
	pushTime   = 20 * time.Second // for the hook, when nobody waits for its answer
	retryPush  = 30 * time.Second // after the hook failed
	maxPushes  = 64               // at a time; the others come with a later heartbeat
	neverRenew = math.MaxInt64    // as renewal.iceAt

	minPollRenewal = 100 * time.Millisecond // however short their life
)

// iceLife is what the server knows of how long ICE servers last.
type iceLife struct {
	ttl    atomic.Int64 // of credentials whose life no session's end cut short, as the hook said last; 0: not known yet
	pushes atomic.Int32 // under way

	changed atomic.Int64 // when they changed for some rooms, by the process's clock; 0: never
}

// renewal is when a link's client is to get fresh ICE servers.
type renewal struct {
	iceAt atomic.Int64 // in nanoseconds of the process's clock; neverRenew while it happens, or if they last
}

// iceFor asks the hook for the ICE servers of a session whose client has that address. R is nil if they are pushed.
func (s *Server) iceFor(ctx context.Context, r *http.Request, from netip.Addr, room string, o store.Owner) (wire.ICEReply, *wire.Error) {
	reply := wire.ICEReply{ICEServers: []wire.ICEServer{}}
	if s.cfg.ICEServers == nil {
		return reply, nil
	}
	ask := ICERequest{Room: room, Peer: o.Peer, Subject: o.Subject, Address: from, HTTP: r}
	if o.Expires > 0 {
		ask.Expires = time.Now().Add(o.Expires)
	}
	ice, err := s.cfg.ICEServers(ctx, ask)
	if err != nil {
		s.log.Error("no ICE servers", "room", room, "peer", o.Peer, "error", err)
		return reply, wire.Refusef(wire.Unavailable, "there are no ICE servers just now").After(1)
	}
	for _, server := range ice.Servers {
		reply.ICEServers = append(reply.ICEServers, wire.ICEServer(server))
	}
	reply.TTL = ice.TTL.Seconds()
	s.ice.learn(ice.TTL, o.Expires)
	return reply, nil
}

// learn takes note of what the hook said for a session that expires so soon.
func (i *iceLife) learn(ttl, expires time.Duration) {
	cut := endsWith(expires, ttl)
	if ttl <= 0 {
		ttl, cut = neverRenew, expires > 0
	}
	if cut {
		i.ttl.CompareAndSwap(0, int64(ttl)) // better than nothing
		return
	}
	i.ttl.Store(int64(ttl))
}

// serveICE hands out fresh ICE servers.
func (s *Server) serveICE(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	owner, err := s.store.Owner(r.Context(), res.ref(bearer(r)))
	if err != nil {
		return s.refusalOf(err)
	}
	reply, refusal := s.iceFor(r.Context(), r, s.clientAddress(r), res.room, owner)
	if refusal != nil {
		return refusal
	}
	if _, err := s.store.Owner(r.Context(), res.ref(bearer(r))); err != nil { // kicked meanwhile: what it was given may be taken back already
		return s.refusalOf(err)
	}
	replyJSON(w, http.StatusOK, reply)
	return nil
}

// now is the process's clock.
func now() time.Duration { return time.Since(processStart) }

// firstRenewal is when a session's client is to get fresh servers over a link that opens now.
func (s *Server) firstRenewal(o store.Owner) time.Duration {
	ttl := time.Duration(s.ice.ttl.Load())
	switch {
	case s.cfg.ICEServers == nil:
		return neverRenew
	case o.Age > freshICE || ttl == 0:
		return now()
	case s.ice.changed.Load() > max(int64(now()-o.Age), 0): // after it was given some, when it had no link to get others
		return now()
	}
	return max(nextRenewal(ttl, o.Expires)-o.Age, now())
}

// nextRenewal is when servers that are fresh now are to be replaced: at half of their life, and a
// little sooner, so that those that came at once do not go at once. Never, if the session ends
// before them: nothing that lives longer can be had before a refresh.
func nextRenewal(ttl, expires time.Duration) time.Duration {
	if ttl <= 0 || ttl == neverRenew || endsWith(expires, ttl) {
		return neverRenew
	}
	return now() + ttl/2 - rand.N(ttl/10+1)
}

// endsWith says whether a session that expires so soon, 0: never, does so no later than servers with that life.
func endsWith(expires, ttl time.Duration) bool { return expires > 0 && expires <= ttl+time.Second }

// renewICE has the client given fresh servers if that is due. It does not block.
func (l *link) renewICE() {
	s, at := l.server, l.iceAt.Load()
	if at > int64(now()) || !l.confirmed.Load() {
		return
	}
	if s.ice.pushes.Add(1) > maxPushes || !l.iceAt.CompareAndSwap(at, neverRenew) {
		s.ice.pushes.Add(-1)
		return
	}
	push := func() {
		next := l.pushICE()
		s.ice.pushes.Add(-1)
		if !l.iceAt.CompareAndSwap(neverRenew, int64(next)) {
			l.renewICE() // the session was refreshed meanwhile
		}
	}
	if !s.start(push) {
		s.ice.pushes.Add(-1)
	}
}

// refreshICE has the client given fresh servers: its session lives longer than before.
func (l *link) refreshICE() {
	if l.server.cfg.ICEServers != nil {
		l.iceAt.Store(int64(now()))
		l.renewICE()
	}
}

// pushICE sends fresh servers, and returns when to do so again.
func (l *link) pushICE() time.Duration {
	s := l.server
	ctx, cancel := context.WithTimeout(s.ctx, pushTime)
	defer cancel()
	owner, err := s.store.Owner(ctx, l.ref)
	if err != nil {
		return now() + retryPush // a session that is over ends the link by itself
	}
	reply, refusal := s.iceFor(ctx, nil, l.from, l.ref.Room, owner)
	if refusal != nil {
		return now() + retryPush
	}
	if _, err := s.store.Owner(ctx, l.ref); err != nil { // as in serveICE
		return now() + retryPush
	}
	l.send(wire.Append(nil, wire.ICEFrame{Kind: wire.KindICE, ICEReply: reply}))
	return nextRenewal(time.Duration(reply.TTL*float64(time.Second)), owner.Expires)
}

// pollRenewal says whether a poll's answer is to bring fresh servers. Who polls has no link to keep their time, so it
// is told by the session's age: it went past a multiple of half their life since the poll before.
func (s *Server) pollRenewal(r *http.Request, room string, a store.Attached, goes bool) bool {
	switch {
	case s.cfg.ICEServers == nil:
		return false
	case !goes:
		return a.Age > freshICE
	}
	if s.ice.ttl.Load() == 0 {
		// This node has not asked the hook yet: only its answer says how long servers last. Where each request meets a new
		// process none ever has, and a poll that is answered because of that would never wait.
		if _, refusal := s.iceFor(r.Context(), r, s.clientAddress(r), room, a.Owner); refusal != nil {
			return false
		}
	}
	half := max(time.Duration(s.ice.ttl.Load())/2, minPollRenewal)
	if endsWith(a.Expires, 2*half) {
		return false
	}
	return a.Age/half > max(a.Age-a.Quiet, 0)/half
}

// appendICE appends fresh servers to the frames of an answer. Without them the client asks in time.
func (s *Server) appendICE(frames []json.RawMessage, r *http.Request, ref store.Ref) []json.RawMessage {
	if s.cfg.ICEServers == nil {
		return frames
	}
	owner, err := s.store.Owner(r.Context(), ref)
	if err != nil {
		return frames
	}
	reply, refusal := s.iceFor(r.Context(), r, s.clientAddress(r), ref.Room, owner)
	if refusal != nil {
		return frames
	}
	if _, err := s.store.Owner(r.Context(), ref); err != nil { // as in serveICE
		return frames
	}
	return append(frames, wire.Append(nil, wire.ICEFrame{Kind: wire.KindICE, ICEReply: reply}))
}

// refreshed says whether a frame that makes the session live longer was received and taken.
func refreshed(frames []store.Sent, result store.Result) bool {
	for i := range frames {
		n := frames[i].N
		if frames[i].Kind != store.Refresh || n > result.Received {
			continue
		}
		if !slices.ContainsFunc(result.Refused, func(r store.Refusal) bool { return r.N == n }) {
			return true
		}
	}
	return false
}
