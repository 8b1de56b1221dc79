package signaling

import (
	"maps"
	"slices"
)

// RenewICE has clients given fresh ICE servers when those that [Config.ICEServers] returns have changed for the rooms that of names, such as when a relay
// went away. Those with a link get them with its next heartbeat, so not all at once; those that poll at half of the old ones' life, as ever.
// Only sessions whose link is at this server are meant, and those that have just joined and open their link after this.
func (s *Server) RenewICE(of func(room string) bool) {
	if s.cfg.ICEServers == nil {
		return
	}
	s.ice.changed.Store(int64(now())) // first, for links that open meanwhile
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.links))
	s.mu.Unlock()
	for _, l := range open {
		if of(l.ref.Room) {
			l.iceAt.Store(int64(now()))
		}
	}
}
