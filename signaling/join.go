package signaling

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

// serveJoin makes a session.
func (s *Server) serveJoin(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	began := time.Now()
	if refusal := s.refusing(); refusal != nil {
		return refusal
	}
	from := s.clientAddress(r)
	if refusal := s.charge(from); refusal != nil {
		return refusal // before anything that costs more
	}
	if !isJSON(r) {
		return wire.Refuse(wire.NotJSON).In("Content-Type")
	}
	// In JSON a character can take six bytes.
	limit := maxBody + 6*int64(s.cfg.Limits.Name+s.cfg.Limits.Meta)
	body, refusal := readBody(w, r, limit)
	if refusal != nil {
		return refusal
	}
	req, refusal := wire.ParseJoin(body, s.limits)
	if refusal != nil {
		return refusal
	}
	ask, refusal := s.admit(r, res, req, from)
	if refusal != nil {
		return refusal
	}
	joined, err := s.store.Join(r.Context(), res.room, ask)
	if err != nil {
		refusal := s.refusalOf(err)
		switch {
		case errors.Is(err, store.ErrRoomFull):
			refusal = wire.Refusef(wire.RoomFull, "the room has %d peers, as many as it may have", s.cfg.Limits.Peers).Over(int64(s.cfg.Limits.Peers))
		case errors.Is(err, store.ErrTooMany):
			refusal = wire.Refusef(wire.TooManySessions, "the room has %d sessions from your address, as many as it may have",
				s.cfg.Limits.PerAddress).Over(int64(s.cfg.Limits.PerAddress))
		case errors.Is(err, store.ErrPeerTaken):
			refusal = refusal.In("peer")
		}
		return refusal
	}
	s.due(res.room, joined.Due)
	if joined.Session == ask.Session {
		s.joined(from, res, joined)
	} else {
		s.counts.repeats.Add(1)
	}
	ice, refusal := s.iceFor(r.Context(), r, from, res.room, store.Owner{Peer: joined.Peer, Subject: ask.Subject, Expires: ask.Expires})
	if refusal != nil {
		return refusal // the same attempt, made again, returns the same session
	}
	replyJSON(w, http.StatusCreated, wire.JoinReply{
		Session:    joined.Session,
		Secret:     secretOf(joined.Salt, req.Attempt),
		Peer:       joined.Peer,
		Name:       ask.Name,
		Epoch:      joined.Epoch,
		Resumed:    joined.Resumed,
		At:         joined.At,
		Peers:      wirePeers(joined.Peers),
		ICEServers: ice.ICEServers,
		TTL:        ice.TTL,
		Heartbeat:  s.cfg.Timing.Heartbeat.Seconds(),
		Limits:     s.limits,
		Node:       s.cfg.Node,
	})
	s.counts.join.Observe(time.Since(began).Seconds())
	return nil
}

// secretOf derives a session's secret, so that a repeated join can be told it
// though nobody has stored it.
func secretOf(salt []byte, attempt string) string {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(attempt))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func randomID(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *Server) joined(from netip.Addr, res resource, joined store.Joined) {
	if joined.Resumed {
		s.counts.resumes.Add(1)
	} else {
		s.counts.fresh.Add(1)
	}
	s.log.Info("session joined", "room", res.room, "peer", joined.Peer, "session", joined.Session,
		"resumed", joined.Resumed, "from", from)
	s.observe(Event{Kind: SessionJoined, Room: res.room, Session: joined.Session, Peer: joined.Peer, Resumed: joined.Resumed})
}

// serveDelete ends a session at once.
func (s *Server) serveDelete(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	return s.leave(w, r, res, bearer(r), false)
}

// serveLeave takes a page's beacon, which says that it is being closed or loaded again.
func (s *Server) serveLeave(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	body, refusal := readBody(w, r, maxBody)
	if refusal != nil {
		return refusal
	}
	req, refusal := wire.ParseLeave(body)
	if refusal != nil {
		return refusal
	}
	return s.leave(w, r, res, req.Secret, true)
}

func (s *Server) leave(w http.ResponseWriter, r *http.Request, res resource, secret string, soft bool) *wire.Error {
	peer, due, err := s.store.Leave(r.Context(), res.ref(secret), soft)
	var ended *store.EndedError
	if err != nil && !errors.As(err, &ended) {
		return s.refusalOf(err)
	}
	s.due(res.room, due)
	if err == nil && !soft {
		s.left(res, peer)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// left tells of a session that left other than by its WebSocket, which tells of its own end.
func (s *Server) left(res resource, peer string) {
	s.log.Info("session left", "room", res.room, "peer", peer, "session", res.session)
	s.observe(Event{Kind: SessionLeft, Room: res.room, Session: res.session, Peer: peer})
}

func wirePeers(peers []store.Peer) []wire.Peer {
	list := make([]wire.Peer, len(peers))
	for i, p := range peers {
		list[i] = wirePeer(p)
	}
	return list
}

func wirePeer(p store.Peer) wire.Peer {
	return wire.Peer{
		Peer: p.ID, Epoch: p.Epoch, Instance: p.Instance,
		Name: p.Name, Meta: p.Meta, Presence: string(p.Presence),
	}
}
