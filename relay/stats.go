package relay

import "github.com/parley-rtc/parley/relay/internal/turn"

// Stats are a server's counters since it was made.
type Stats struct {
	// Transports counts the allocations of each: udp, tcp, tls and dtls.
	Transports       map[string]TransportStats `json:"transports"`
	Allocations      int                       `json:"allocations"`      // live now
	AllocationsTotal uint64                    `json:"allocationsTotal"` // made
	Connections      int                       `json:"connections"`      // of clients over TCP, TLS and DTLS, now
	Bindings         uint64                    `json:"bindings"`         // STUN binding requests answered
	Challenges       uint64                    `json:"challenges"`       // requests without credentials, answered with 401 as every first one is

	ToPeers   Traffic `json:"toPeers"`   // from clients, relayed to peers
	FromPeers Traffic `json:"fromPeers"` // from peers, relayed to clients

	// AuthFailures counts requests with an unknown user or a wrong password.
	AuthFailures uint64 `json:"authFailures"`
	// Refusals counts other requests answered with an error, by a word for the reason: peer-denied,
	// expired, user-quota, capacity, no-port, draining and so on.
	Refusals map[string]uint64 `json:"refusals"`
	// Drops counts packets and connections that went nowhere, by a word for the reason: to-own-address,
	// from-own-address, bandwidth, client-queue-full, first-byte, malformed, tls-handshake, http, half-message and so on.
	Drops map[string]uint64 `json:"drops"`
	// KernelDrops counts datagrams that the system dropped before they were read, since the buffers of our sockets were full. Only
	// Linux tells.
	KernelDrops uint64 `json:"kernelDrops"`

	// Ports says how many ports of the range are in use, for each kind that is relayed.
	Ports []PortStats `json:"ports"`
}

// TransportStats counts allocations.
type TransportStats struct {
	Live  int    `json:"live"`
	Total uint64 `json:"total"`
}

// PortStats says how many ports of relay sockets are in use.
type PortStats struct {
	Network string `json:"network"` // udp or tcp
	Family  string `json:"family"`  // ipv4 or ipv6
	InUse   int    `json:"inUse"`
	Range   int    `json:"range"`
}

// Traffic is what was relayed in one direction.
type Traffic struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"` // of payload, without any header
}

// Stats returns the counters. Traffic between two clients of this server counts in both directions.
func (s *Server) Stats() Stats {
	w := s.crew.Stats()
	stats := Stats{
		Allocations:      w.Allocations,
		AllocationsTotal: w.Allocated,
		Connections:      w.Connections,
		Bindings:         w.Bindings,
		Challenges:       w.RefusalsBy[turn.RefusedChallenge],
		ToPeers:          Traffic(w.ToPeers),
		FromPeers:        Traffic(w.FromPeers),
		AuthFailures:     w.AuthFailures,
		Refusals:         w.Refusals(),
		Drops:            w.Drops,
		KernelDrops:      w.KernelDrops,
		Transports:       make(map[string]TransportStats),
	}
	for _, t := range []turn.Transport{turn.UDP, turn.TCP, turn.TLS, turn.DTLS} {
		total := w.AllocatedBy[t]
		stats.Transports[t.String()] = TransportStats{Live: int(total - w.EndedBy[t]), Total: total}
	}
	for _, p := range w.Ports {
		family := "ipv4"
		if p.Family == turn.IPv6 {
			family = "ipv6"
		}
		stats.Ports = append(stats.Ports, PortStats{Network: p.Network, Family: family, InUse: p.InUse, Range: p.Range})
	}
	delete(stats.Refusals, turn.RefusedChallenge.String())
	delete(stats.Refusals, turn.RefusedUser.String())
	return stats
}
