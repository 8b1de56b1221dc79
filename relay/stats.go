package relay

// Stats are a server's counters since it was made.
type Stats struct {
	Allocations      int    // live now
	AllocationsTotal uint64 // made

	ToPeers   Traffic // from clients, relayed to peers
	FromPeers Traffic // from peers, relayed to clients

	// AuthFailures counts requests with an unknown user or a wrong password.
	AuthFailures uint64
	// Refusals counts other requests answered with an error, by a word for the reason: peer-denied,
	// expired, user-quota, capacity, no-port, draining and so on.
	Refusals map[string]uint64
	// Drops counts packets that went nowhere, by a word for the reason: to-own-address,
	// from-own-address, hairpin-full, bandwidth, first-byte, malformed and so on.
	Drops map[string]uint64
}

// Traffic is what was relayed in one direction.
type Traffic struct {
	Packets uint64
	Bytes   uint64 // of payload, without any header
}

// Stats returns the counters. Traffic between two clients of this server counts in both directions.
func (s *Server) Stats() Stats {
	stats := Stats{
		Allocations:      s.backend.Live(),
		AllocationsTotal: s.tally.Allocated.Load(),
		AuthFailures:     s.tally.AuthFailures.Load(),
		Refusals:         s.tally.Refusals.Snapshot(),
		Drops:            s.tally.Drops.Snapshot(),
	}
	stats.ToPeers.Packets, stats.ToPeers.Bytes = s.tally.ToPeers.Sum()
	stats.FromPeers.Packets, stats.FromPeers.Bytes = s.tally.FromPeers.Sum()
	return stats
}
