package oneport

import (
	"maps"
	"sync"
)

// Stats are a port's counts of connections.
type Stats struct {
	Accepted map[string]uint64 // by what they speak: http, https, turn or turns
	// Refused are by a word for the reason. Silent, closed, read-error: the first byte did not come; first-byte: it is of
	// none of the protocols; no-tls, no-turn: of one that is not spoken here; tls-handshake; tls-silent and so on:
	// the same within TLS; crowded: too many came behind it that were as undecided; acme: an authority, who
	// has seen what it wanted; accept-error: it could not be accepted.
	Refused map[string]uint64
}

// counts are Stats that grow.
type counts struct {
	mu    sync.Mutex
	stats Stats // guarded by mu
}

func (c *counts) accept(protocol string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stats.Accepted == nil {
		c.stats.Accepted = make(map[string]uint64)
	}
	c.stats.Accepted[protocol]++
}

func (c *counts) refuse(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stats.Refused == nil {
		c.stats.Refused = make(map[string]uint64)
	}
	c.stats.Refused[reason]++
}

// Stats returns the counts since the port was made.
func (p *Port) Stats() Stats {
	p.counts.mu.Lock()
	defer p.counts.mu.Unlock()
	return Stats{Accepted: maps.Clone(p.counts.stats.Accepted), Refused: maps.Clone(p.counts.stats.Refused)}
}
