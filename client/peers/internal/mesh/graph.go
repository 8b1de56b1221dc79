package mesh

import (
	"cmp"
	"slices"
	"strconv"
)

// Mark is what the instance of a peer ends in that passes on what others say.
const Mark = "~1"

// rings is how many rings there are, on each of which a peer has two neighbours.
const rings = 4

const (
	fullMost = 12 // with more peers than this, oneself among them, not everybody is everybody's neighbour
	fewAgain = 10 // and up to so few, again
)

// Hash returns a number for a text of ASCII characters: FNV-1a, and then the last steps of MurmurHash3.
func Hash(text string) uint32 {
	h := uint32(0x811c9dc5)
	for i := range len(text) {
		h = (h ^ uint32(text[i])) * 0x01000193
	}
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// isPartial says whether there are too many for everybody to be connected to everybody, given what was so before.
func isPartial(count int, before bool) bool {
	if before {
		return count > fewAgain
	}
	return count > fullMost
}

// graph is whom each has as neighbours, by their ids: those before and after it on each of the rings.
type graph map[string][]string

func newGraph(ids []string) graph {
	type place struct {
		hash uint32
		id   string
	}
	g := make(graph, len(ids))
	places := make([]place, len(ids))
	for ring := range rings {
		for i, id := range ids {
			places[i] = place{Hash(strconv.Itoa(ring) + " " + id), id}
		}
		slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.id, b.id)) })
		for i, p := range places {
			g.join(p.id, places[(i+1)%len(places)].id)
		}
	}
	return g
}

func (g graph) join(a, b string) {
	if a != b && !slices.Contains(g[a], b) {
		g[a] = append(g[a], b)
		g[b] = append(g[b], a)
	}
}

// distances returns how many hops each is away from one.
func (g graph) distances(from string) map[string]int {
	found := map[string]int{from: 0}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		for _, id := range g[next[0]] {
			if _, known := found[id]; !known {
				found[id] = found[next[0]] + 1
				next = append(next, id)
			}
		}
	}
	return found
}
