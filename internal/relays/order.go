package relays

import (
	"hash/fnv"
	"slices"

	"github.com/dgryski/go-rendezvous"
)

// order says which of some servers a room has, and which as backup. It does not change: when a server comes or goes, another is made.
type order struct {
	names []string
	first *rendezvous.Rendezvous
	other map[string]*rendezvous.Rendezvous // without one of them; nil: there are fewer than two
}

// newOrder returns the order of servers by their names, which are sorted.
func newOrder(names []string) *order {
	o := &order{names: names, first: rendezvous.New(names, hash)}
	if len(names) > 1 {
		o.other = make(map[string]*rendezvous.Rendezvous, len(names))
		for i, name := range names {
			o.other[name] = rendezvous.New(slices.Concat(names[:i], names[i+1:]), hash)
		}
	}
	return o
}

// choice is the names of a room's servers; "": there is none.
type choice struct{ first, backup string }

// of returns what a room has: the two servers that weigh most for it. Without the first one, the backup is the first.
func (o *order) of(room string) choice {
	c := choice{first: o.first.Lookup(room)}
	if o.other != nil {
		c.backup = o.other[c.first].Lookup(room)
	}
	return c
}

// hash is FNV-1a. All nodes and releases have to agree on it: peers of a room would have different relays.
func hash(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it cannot fail
	return h.Sum64()
}
