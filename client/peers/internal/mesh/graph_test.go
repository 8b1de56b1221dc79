package mesh

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// farthest returns the most hops from one to any other, and whether all can be reached.
func farthest(g graph, from string) (hops int, all bool) {
	distances := g.distances(from)
	for _, d := range distances {
		hops = max(hops, d)
	}
	return hops, len(distances) == len(g)
}

func edgesOf(g graph) map[string]bool {
	edges := map[string]bool{}
	for id, others := range g {
		for _, other := range others {
			edges[min(id, other)+" "+max(id, other)] = true
		}
	}
	return edges
}

func TestFewAreAllConnectedAndTheLimitsDoNotMakeARoomGoToAndFro(t *testing.T) {
	for _, c := range []struct {
		count        int
		before, want bool
	}{{12, false, false}, {13, false, true}, {11, true, true}, {10, true, false}} {
		if got := isPartial(c.count, c.before); got != c.want {
			t.Errorf("%d peers, before %v: %v", c.count, c.before, got)
		}
	}
	if g := newGraph([]string{"a"}); len(g["a"]) != 0 {
		t.Errorf("one alone has %v", g)
	}
	if g := newGraph([]string{"a", "b"}); !slices.Equal(g["a"], []string{"b"}) || !slices.Equal(g["b"], []string{"a"}) {
		t.Errorf("two have %v", g)
	}
}

func TestOverJoinsAndLeavesTheGraphIsOnePieceWithShortWays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var room []string
	for i := range 13 {
		room = append(room, fmt.Sprint("first", i))
	}
	g := newGraph(room)
	changes := 0
	for step := range 120 {
		if len(room) > 13 && (len(room) >= 60 || random.IntN(10) < 4) {
			room = slices.Delete(room, 3, 4)
		} else {
			room = slices.Insert(room, random.IntN(len(room)), fmt.Sprint("p", step, "-", random.Uint32()))
		}
		before := edgesOf(g)
		g = newGraph(room)
		after, changed := edgesOf(g), 0
		for edge := range before {
			if !after[edge] {
				changed++
			}
		}
		for edge := range after {
			if !before[edge] {
				changed++
			}
		}
		if changed > 12 {
			t.Errorf("step %d changed %d edges", step, changed)
		}
		changes += changed
		for id, others := range g {
			if len(others) < 4 || len(others) > 8 {
				t.Errorf("%s has %d neighbours", id, len(others))
			}
			if hops, all := farthest(g, id); !all || hops > 5 {
				t.Errorf("%s is %d hops away from some, all reached: %v", id, hops, all)
			}
		}
	}
	if changes < 480 {
		t.Errorf("only %d changes", changes)
	}
}

func TestWhenSixOfThirtyVanishTheOthersAreStillInOnePiece(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		var room []string
		for i := range 30 {
			room = append(room, fmt.Sprint("p", i, "-", random.Uint32()))
		}
		g := newGraph(room)
		for _, i := range random.Perm(30)[:6] {
			delete(g, room[i])
		}
		for id := range g {
			g[id] = slices.DeleteFunc(g[id], func(other string) bool { return g[other] == nil })
		}
		for id := range g {
			if _, all := farthest(g, id); !all {
				t.Errorf("%s does not reach all of %v", id, g)
			}
			break
		}
	}
}
