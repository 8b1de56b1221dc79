package signaling

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

// The errors of [Server.Send] and [Server.Disconnect] that are about the peer.
var (
	ErrNoPeer      = errors.New("signaling: no such peer")
	ErrMailboxFull = errors.New("signaling: the peer's mailbox is full")
)

// Peer is a peer as the others in its room see it.
type Peer struct {
	ID       string
	Epoch    int64  // of its session
	Instance string // page load or process
	Name     string
	Meta     json.RawMessage // nil: none
	Presence string          // "here", "away" or "leaving"
}

// Peers returns who is in a room, the earliest first. A room that nobody is in has none.
func (s *Server) Peers(ctx context.Context, room string) ([]Peer, error) {
	roster, err := s.store.Roster(ctx, room)
	if err != nil {
		return nil, fmt.Errorf("signaling: roster of %s: %w", room, err)
	}
	s.due(room, roster.Due)
	peers := make([]Peer, len(roster.Peers))
	for i, p := range roster.Peers {
		peers[i] = Peer{ID: p.ID, Epoch: p.Epoch, Instance: p.Instance, Name: p.Name, Meta: p.Meta, Presence: string(p.Presence)}
	}
	return peers, nil
}

// Rooms lists rooms by name, a page at a time: pass "" first, then next, until that is "".
// A room stays listed for a while after its last peer has gone.
func (s *Server) Rooms(ctx context.Context, cursor string) (rooms []string, next string, err error) {
	return s.store.Rooms(ctx, cursor)
}

// Send sends data, which is valid JSON, to a peer as a signal of the server's own: its from is "". An empty peer
// means everybody in the room. It is kept for peers whose link is broken. Errors: [ErrNoPeer] and [ErrMailboxFull];
// data that is no JSON, over [Limits].Frame or nested over 512 deep has another.
func (s *Server) Send(ctx context.Context, room, peer string, data json.RawMessage) error {
	if !json.Valid(data) {
		return fmt.Errorf("signaling: send to %q in %s: data is not valid JSON", peer, room)
	}
	if len(data) > s.cfg.Limits.Frame {
		return fmt.Errorf("signaling: send to %q in %s: data is %d bytes; the limit is %d", peer, room, len(data), s.cfg.Limits.Frame)
	}
	if wire.TooDeep(data) {
		return fmt.Errorf("signaling: send to %q in %s: data is nested over %d deep", peer, room, wire.MaxNested)
	}
	due, err := s.store.Post(ctx, room, rand.Text(), peer, wire.OneLine(data))
	s.due(room, due)
	switch {
	case errors.Is(err, store.ErrNoPeer):
		err = ErrNoPeer
	case errors.Is(err, store.ErrBusy):
		err = ErrMailboxFull
	}
	return err
}

// Disconnect ends a peer's session. Its client is told, and does not come back by itself; the others' connections to
// it end. It can join again, if Authorize lets it. Error: ErrNoPeer.
func (s *Server) Disconnect(ctx context.Context, room, peer string) error {
	roster, err := s.store.Roster(ctx, room)
	if err != nil {
		return fmt.Errorf("signaling: roster of %s: %w", room, err)
	}
	for _, p := range roster.Peers {
		if p.ID != peer {
			continue
		}
		due, err := s.store.End(ctx, room, p.Session, store.CodeKicked)
		s.due(room, due)
		if errors.Is(err, store.ErrNoSession) {
			return ErrNoPeer
		}
		if err == nil {
			s.log.Info("session kicked", "room", room, "peer", peer, "session", p.Session)
			s.observe(Event{Kind: SessionKicked, Room: room, Session: p.Session, Peer: peer, Code: store.CodeKicked})
		}
		return err
	}
	return ErrNoPeer
}
