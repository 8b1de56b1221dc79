package signaling

import (
	"context"
	"net/http"
	"slices"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

// servePost takes frames from a client whose link goes only down. It proves that the client is alive.
func (s *Server) servePost(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	if !isJSON(r) {
		return wire.Refuse(wire.NotJSON).In("Content-Type")
	}
	body, refusal := readBody(w, r, wire.MaxPost)
	if refusal != nil {
		return refusal
	}
	post, refusal := wire.ParsePost(body)
	if refusal != nil {
		return refusal
	}
	ref, from := res.ref(bearer(r)), s.clientAddress(r)
	x := store.Exchange{Ack: post.Ack, Renew: true}
	if post.After != nil {
		x.After, x.Max = *post.After, maxRead
		x.Ack = max(x.Ack, x.After)
	}
	if post.Use != 0 {
		if refusal := s.use(ref, kindEvents, post.Use, x.Ack); refusal != nil {
			return refusal
		}
	}
	for i, message := range post.Frames {
		u, refusal := wire.ParseNumbered(message, post.First+int64(i), s.limits)
		x.Frames = append(x.Frames, s.sent(u, refusal, from))
	}
	leaving := s.leaving(r.Context(), ref, x.Frames)
	result, err := s.store.Exchange(r.Context(), ref, x)
	s.due(res.room, result.Due) // also after a leave, which is answered by an error
	if err != nil {
		if leaving != "" && isEnded(err, store.CodeLeft) {
			s.left(res, leaving)
		}
		return s.refusalOf(err)
	}
	s.counts.exchanged(x.Frames, 0, result)
	if result.Gap {
		refusal := wire.Refuse(wire.Gap)
		refusal.Received = &result.Received
		return refusal
	}
	if result.Wait > 0 {
		return s.overRate(result)
	}
	frames := s.encodeFrames(result.Frames)
	if refreshed(x.Frames, result) {
		frames = s.appendICE(frames, r, ref)
	}
	replyJSON(w, http.StatusOK, wire.PostReply{Received: result.Received, Frames: frames})
	return nil
}

// leaving returns the peer id of a session that is about to leave by one of these frames, and "" of any other.
func (s *Server) leaving(ctx context.Context, ref store.Ref, frames []store.Sent) string {
	if !slices.ContainsFunc(frames, func(f store.Sent) bool { return f.Kind == store.Leave }) {
		return ""
	}
	owner, err := s.store.Owner(ctx, ref)
	if err != nil {
		return "" // it has left before, say; what is the matter is told when the frames are taken
	}
	return owner.Peer
}
