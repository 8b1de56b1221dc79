package signaling

import (
	"maps"
	"slices"
)

// RenewICE has clients given fresh ICE servers when those that [Config.ICEServers] returns have changed for the rooms that of names, such as when a relay
// went away. Those with a link get them with its next heartbeat, so not all at once; those that poll at half of the old ones' life, as ever.
// Only sessions whose link is at this server are meant.
func (s *Server) RenewICE(of func(room string) bool) {
	if s.cfg.ICEServers == nil {
		return
	}
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.links))
	s.mu.Unlock()
	for _, l := range open {
		if of(l.ref.Room) {
			l.iceAt.Store(int64(now()))
		}
	}
}
