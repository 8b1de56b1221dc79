package signaling

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

// admit asks the hooks whether a join may be, and turns it into what the store is asked. Its
// session and salt are used only if the attempt is new.
func (s *Server) admit(r *http.Request, res resource, req wire.JoinRequest, from netip.Addr) (store.JoinRequest, *wire.Error) {
	salt := []byte(rand.Text())
	ask := store.JoinRequest{
		Attempt:    sha256.Sum256([]byte(req.Attempt)),
		Body:       bodyHash(req),
		Resuming:   req.Resume != "",
		Resume:     sha256.Sum256([]byte(req.Resume)),
		Session:    randomID(16),
		Salt:       salt,
		SecretHash: sha256.Sum256([]byte(secretOf(salt, req.Attempt))),
		Address:    accountName(from),
		Peer:       req.Peer,
		Spare:      strings.ToLower(rand.Text()[:16]),
		Instance:   req.Instance,
		Name:       req.Name,
		Meta:       req.Meta,
		Rules:      s.cfg.rules(),
	}
	id, refusal := s.identify(r, from)
	if refusal != nil {
		return ask, refusal
	}
	ask.Subject, ask.Expires = id.Subject, id.expiresIn()
	if id.Name != "" {
		ask.Name, ask.Deny.Rename = wire.ClipText(id.Name, s.cfg.Limits.Name), true
	}
	action := Action{Verb: VerbJoin, Room: res.room, Peer: req.Peer}
	if refusal := s.authorize(r, id, action); refusal != nil {
		return ask, refusal
	}
	action.Verb = VerbSignal
	ask.Deny.Signal = s.authorize(r, id, action) != nil
	action.Verb = VerbBroadcast
	ask.Deny.Broadcast = s.authorize(r, id, action) != nil
	return ask, nil
}

// bodyHash is the same for joins that ask for the same.
func bodyHash(req wire.JoinRequest) [32]byte {
	var b []byte
	for _, field := range []string{req.Instance, req.Peer, req.Name, string(req.Meta), req.Resume} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	return sha256.Sum256(b)
}

func (s *Server) identify(r *http.Request, from netip.Addr) (Identity, *wire.Error) {
	if s.cfg.Authenticate == nil {
		return Identity{}, nil
	}
	id, err := s.cfg.Authenticate(r)
	if err != nil {
		s.log.Info("not authenticated", "from", from, "error", err)
		return id, refusalOfHook(err, wire.Unauthorized)
	}
	if !id.Expires.IsZero() && id.expiresIn() <= minExpiry {
		return id, wire.Refusef(wire.Unauthorized, "the app token has expired")
	}
	return id, nil
}

func (s *Server) authorize(r *http.Request, id Identity, action Action) *wire.Error {
	if s.cfg.Authorize == nil {
		return nil
	}
	if err := s.cfg.Authorize(r.Context(), id, action); err != nil {
		s.log.Info("not authorized", "verb", action.Verb, "room", action.Room, "subject", id.Subject, "error", err)
		return refusalOfHook(err, wire.Forbidden)
	}
	return nil
}

// refresh asks who a newer app token is for. It counts as a join: the hook may cost as much.
func (s *Server) refresh(token string, from netip.Addr) (Identity, *wire.Error) {
	if refusal := s.charge(from); refusal != nil {
		return Identity{}, refusal
	}
	// What Authenticate sees of a join is its header; the token is all that there is here.
	return s.identify(&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: http.Header{"Authorization": {"Bearer " + token}}, Body: http.NoBody,
	}, from)
}

// minExpiry is the least that a session may live: a token that ends sooner has ended.
const minExpiry = time.Millisecond

// expiresIn is how long from now the identity is good for; 0: for ever.
func (id Identity) expiresIn() time.Duration {
	if id.Expires.IsZero() {
		return 0
	}
	return max(time.Until(id.Expires), minExpiry)
}
