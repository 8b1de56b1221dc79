package signaling

import (
	"errors"
	"net/http"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/eventstream"
	"github.com/parley-rtc/parley/signaling/store"
)

// serveEvents opens a stream of server-sent events. What the client sends goes by POST.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, res resource) *wire.Error {
	query := r.URL.Query()
	after, refusal := parseAfter(query, r.Header.Get("Last-Event-ID"))
	if refusal != nil {
		return refusal
	}
	ref := res.ref(bearer(r))
	// Until the stream begins, a refusal has a status; afterwards only a frame.
	if _, err := s.store.Exchange(r.Context(), ref, store.Exchange{}); err != nil {
		return s.refusalOf(err)
	}
	if refusal := s.refusing(); refusal != nil {
		return refusal
	}
	stream, err := eventstream.Open(w, r)
	switch {
	case errors.Is(err, eventstream.ErrNotFlushable):
		s.log.Error("cannot open a stream of events", "error", err)
		return wire.Refusef(wire.Internal, "the server is wrapped in something that cannot stream")
	case err != nil:
		return nil // the client has gone
	}
	l, refusal := s.open(stream, terms{kind: kindEvents, ref: ref, after: after, probe: isProbe(query), from: s.clientAddress(r)})
	if refusal != nil {
		s.turnAway(stream, refusal)
		return nil
	}
	read := func() {
		stream.Wait()
		l.close()
	}
	switch {
	case !stream.Detached():
		read() // the handler has to stay
	case !s.start(read):
		stream.Abort()
		l.close()
	}
	return nil
}
