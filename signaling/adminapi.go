package signaling

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/parley-rtc/parley/internal/wire"
)

// AdminHandler returns a handler for what operators do from outside (docs/operations.md), by the methods Rooms, Peers,
// Send, Disconnect and Stats:
//
//	GET    /v1/admin/rooms?cursor=C
//	GET    /v1/admin/rooms/{room}/peers
//	POST   /v1/admin/rooms/{room}/signals          {"peer": "alice", "data": …}
//	DELETE /v1/admin/rooms/{room}/peers/{peer}
//	GET    /v1/admin/stats
//
// It works below any path prefix. It asks nobody who they are: mount it where only operators get, behind a check of your own. Requests
// with an Origin header, which browsers send for other sites' pages, are refused.
func (s *Server) AdminHandler() http.Handler { return http.HandlerFunc(s.serveAdmin) }

// adminCall is one of the resources.
type adminCall struct {
	method string
	serve  func(http.ResponseWriter, *http.Request) *wire.Error
}

func (s *Server) serveAdmin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	call, refusal := s.adminCall(r)
	switch {
	case refusal != nil:
	case r.Header.Get("Origin") != "":
		refusal = wire.Refuse(wire.OriginDenied)
	case r.Method != call.method:
		w.Header().Set("Allow", call.method)
		refusal = wire.Refusef(wire.BadMethod, "the method is %s, not %s", call.method, wire.ClipText(r.Method, 32))
	default:
		refusal = call.serve(w, r)
	}
	if refusal != nil {
		s.reply(w, refusal)
	}
}

// adminCall finds the resource that a path names.
func (s *Server) adminCall(r *http.Request) (adminCall, *wire.Error) {
	const root = "/v1/admin/"
	path := r.URL.EscapedPath()
	at := strings.Index(path, root)
	if at < 0 {
		return adminCall{}, wire.Refuse(wire.NotFound)
	}
	parts := strings.Split(path[at+len(root):], "/")
	for i, part := range parts {
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			return adminCall{}, wire.Refuse(wire.NotFound)
		}
	}
	inRoom := len(parts) > 2 && parts[0] == "rooms"
	if inRoom && !wire.ValidRoom(parts[1]) {
		return adminCall{}, wire.Refuse(wire.BadRoom).In("room").Over(wire.MaxRoom)
	}
	switch {
	case len(parts) == 1 && parts[0] == "stats":
		return adminCall{http.MethodGet, s.adminStats}, nil
	case len(parts) == 1 && parts[0] == "rooms":
		return adminCall{http.MethodGet, s.adminRooms}, nil
	case inRoom && len(parts) == 3 && parts[2] == "peers":
		return adminCall{http.MethodGet, func(w http.ResponseWriter, r *http.Request) *wire.Error {
			return s.adminPeers(w, r, parts[1])
		}}, nil
	case inRoom && len(parts) == 3 && parts[2] == "signals":
		return adminCall{http.MethodPost, func(w http.ResponseWriter, r *http.Request) *wire.Error {
			return s.adminSend(w, r, parts[1])
		}}, nil
	case inRoom && len(parts) == 4 && parts[2] == "peers":
		return adminCall{http.MethodDelete, func(w http.ResponseWriter, r *http.Request) *wire.Error {
			return s.adminKick(w, r, parts[1], parts[3])
		}}, nil
	}
	return adminCall{}, wire.Refuse(wire.NotFound)
}

func (s *Server) adminStats(w http.ResponseWriter, _ *http.Request) *wire.Error {
	replyJSON(w, http.StatusOK, s.Stats())
	return nil
}

func (s *Server) adminRooms(w http.ResponseWriter, r *http.Request) *wire.Error {
	cursor := r.URL.Query().Get("cursor")
	if len(cursor) > maxCursor {
		return wire.Refusef(wire.BadField, "cursor is over %d bytes; it is what the page before had as next", maxCursor).In("cursor").Over(maxCursor)
	}
	rooms, next, err := s.Rooms(r.Context(), cursor)
	if err != nil {
		return s.refusalOf(err)
	}
	if rooms == nil {
		rooms = []string{}
	}
	replyJSON(w, http.StatusOK, wire.RoomsReply{Rooms: rooms, Next: next})
	return nil
}

// maxCursor is more than any store's cursor has.
const maxCursor = 512

func (s *Server) adminPeers(w http.ResponseWriter, r *http.Request, room string) *wire.Error {
	roster, err := s.store.Roster(r.Context(), room)
	if err != nil {
		return s.refusalOf(err)
	}
	s.due(room, roster.Due)
	replyJSON(w, http.StatusOK, wire.PeersReply{Peers: wirePeers(roster.Peers)})
	return nil
}

func (s *Server) adminSend(w http.ResponseWriter, r *http.Request, room string) *wire.Error {
	if !isJSON(r) {
		return wire.Refuse(wire.NotJSON).In("Content-Type")
	}
	body, refusal := readBody(w, r, maxBody+int64(s.cfg.Limits.Frame))
	if refusal != nil {
		return refusal
	}
	signal, refusal := wire.ParseServerSignal(body, s.cfg.Limits.wire())
	if refusal != nil {
		return refusal
	}
	return s.adminDone(w, s.Send(r.Context(), room, signal.Peer, signal.Data))
}

func (s *Server) adminKick(w http.ResponseWriter, r *http.Request, room, peer string) *wire.Error {
	if !wire.ValidName(peer, wire.MaxPeer) {
		return wire.Refusef(wire.BadField, "peer is not a peer id: 1 to %d unreserved URL characters", wire.MaxPeer).In("peer").Over(wire.MaxPeer)
	}
	return s.adminDone(w, s.Disconnect(r.Context(), room, peer))
}

// adminDone answers what has nothing to say but that it was done.
func (s *Server) adminDone(w http.ResponseWriter, err error) *wire.Error {
	switch {
	case errors.Is(err, ErrNoPeer):
		return wire.Refuse(wire.NoPeer)
	case errors.Is(err, ErrMailboxFull):
		return wire.Refuse(wire.Busy).After(1)
	case err != nil:
		return s.refusalOf(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
