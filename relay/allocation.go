package relay

import (
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// Allocation describes what a client has, or had.
type Allocation struct {
	ID       uint64 // grows from one allocation of a server to the next
	User     string // the username; with time-limited credentials, the part after "expiry:"
	Username string // as the client gives it
	Client   Client
	Relayed  []netip.AddrPort // IPv4 before IPv6
	TCP      bool             // TCP is relayed (RFC 6062)
	Began    time.Time
	Expires  time.Time // unless it is refreshed
	Ended    time.Time // zero while it lives
	// Reason is why it ended: "client" (given back), "expired" (nobody refreshed it), "denied" (the same, and its client's last request
	// was not by a known user, or with a wrong password), "session" (over MaxSession, or its credential's time under StrictExpiry),
	// "revoked", "connection" (the client's ended) or "closed" (the server). Empty while it lives.
	Reason    string
	ToPeers   Traffic // from the client, relayed to peers
	FromPeers Traffic // from peers, relayed to the client
}

// allocationOf returns the engine's description in the words of this package.
func allocationOf(i turn.Info) Allocation {
	a := Allocation{
		ID: i.Serial, User: i.User, Username: i.Username, TCP: i.TCP, Reason: i.End.String(), Began: i.Began, Expires: i.Expires,
		Client:  Client{Addr: i.Client.Addr, Transport: i.Client.Transport.String()},
		ToPeers: Traffic(i.ToPeers), FromPeers: Traffic(i.FromPeers),
	}
	for _, addr := range i.Relayed {
		if addr.IsValid() {
			a.Relayed = append(a.Relayed, addr)
		}
	}
	return a
}

// Allocations returns the allocations that live and have an ID above after, by ID, so many at most: a page of all of them. The next
// page is after the last one's ID.
func (s *Server) Allocations(after uint64, most int) []Allocation {
	infos := s.crew.Allocations(after, most)
	all := make([]Allocation, len(infos))
	for i, info := range infos {
		all[i] = allocationOf(info)
	}
	return all
}
