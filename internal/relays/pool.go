package relays

import (
	"slices"
	"sync"
	"sync/atomic"
)

// pool is servers of one kind, and which of them are up.
type pool struct {
	members map[string]*member // fixed
	order   atomic.Pointer[order]

	mu sync.Mutex // one change at a time
}

func newPool(servers []Server) *pool {
	p := &pool{members: make(map[string]*member, len(servers))}
	for _, s := range servers {
		p.members[s.Name] = newMember(s)
	}
	p.order.Store(newOrder(p.names(false)))
	return p
}

// names are those of the servers, or of those that are up, sorted.
func (p *pool) names(up bool) []string {
	var names []string
	for name, m := range p.members {
		if !up || m.up.Load() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// set notes that a server is up or down now, and returns what the rooms had before and have from now on, and how many servers are up. If that is none,
// they have all of them.
func (p *pool) set(m *member, up bool) (before, after *order, left int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.up.Store(up)
	names := p.names(true)
	left = len(names)
	if left == 0 {
		names = p.names(false)
	}
	after = newOrder(names)
	return p.order.Swap(after), after, left
}

// urls appends those of the servers that a room has, a slice for each.
func (p *pool) urls(to [][]string, room string) [][]string {
	if len(p.members) == 0 {
		return to
	}
	c := p.order.Load().of(room)
	for _, name := range []string{c.first, c.backup} {
		if name != "" {
			to = append(to, p.members[name].URLs)
		}
	}
	return to
}
