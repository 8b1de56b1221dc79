package relays

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

const rooms = 5_000

func room(i int) string { return fmt.Sprintf("room-%d", i) }

func hosts(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("turn%d.example", i))
	}
	slices.Sort(names)
	return names
}

func TestRoomsAreSpreadEvenly(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 20} {
		o := newOrder(hosts(n))
		first, backup := make(map[string]int), make(map[string]int)
		for i := range rooms {
			c := o.of(room(i))
			if c.first == c.backup || (c.backup == "") != (n == 1) {
				t.Fatalf("of %d relays, %s has %+v", n, room(i), c)
			}
			first[c.first]++
			backup[c.backup]++
		}
		fair := float64(rooms) / float64(n)
		for what, counts := range map[string]map[string]int{"first": first, "backup": backup} {
			for name, count := range counts {
				if math.Abs(float64(count)-fair) > 6*math.Sqrt(fair) {
					t.Errorf("of %d relays, %s is %s for %d rooms, want about %.0f", n, name, what, count, fair)
				}
			}
			if len(counts) != n {
				t.Errorf("of %d relays, %d are %s for some room", n, len(counts), what)
			}
		}
	}
}

func TestOnlyTheRoomsOfARelayMoveWhenItGoes(t *testing.T) {
	for _, n := range []int{2, 3, 8} {
		names := hosts(n)
		before := newOrder(names)
		for i, gone := range names {
			after := newOrder(slices.Concat(names[:i], names[i+1:]))
			moved, backups := 0, 0
			for i := range rooms {
				was, is := before.of(room(i)), after.of(room(i))
				switch {
				case was.first == gone:
					moved++
					if is.first != was.backup {
						t.Fatalf("%s had %+v and has %+v after %s is gone: not its backup", room(i), was, is, gone)
					}
				case is.first != was.first:
					t.Fatalf("%s had %+v and has %+v after %s is gone", room(i), was, is, gone)
				case was.backup == gone:
					backups++
				case is != was:
					t.Fatalf("%s had %+v and has %+v after %s is gone", room(i), was, is, gone)
				}
			}
			share := float64(rooms) / float64(n)
			if slack := 6 * math.Sqrt(share); math.Abs(float64(moved)-share) > slack || math.Abs(float64(backups)-share) > slack {
				t.Errorf("of %d relays one goes: %d rooms move and %d have another backup, want about %.0f each", n, moved, backups, share)
			}
		}
	}
}

func TestARelayThatComesTakesItsShareAndNoMore(t *testing.T) {
	for _, n := range []int{1, 2, 4, 19} {
		names := hosts(n)
		before := newOrder(names)
		const added = "new.example"
		after := newOrder(slices.Sorted(slices.Values(append(names, added))))
		moved := 0
		for i := range rooms {
			was, is := before.of(room(i)), after.of(room(i))
			switch {
			case is.first == added:
				moved++
				if is.backup != was.first {
					t.Fatalf("%s had %+v and has %+v with one more", room(i), was, is)
				}
			case is.first != was.first:
				t.Fatalf("%s had %+v and has %+v with one more", room(i), was, is)
			}
		}
		if share := float64(rooms) / float64(n+1); math.Abs(float64(moved)-share) > 6*math.Sqrt(share) {
			t.Errorf("one comes to %d: %d rooms move, want about %.0f", n, moved, share)
		}
	}
}

// Nodes of different releases have to agree: these must never change.
func TestTheChoiceIsTheSameForEver(t *testing.T) {
	o := newOrder(hosts(5))
	for room, want := range map[string]choice{
		"lobby":    {"turn4.example", "turn3.example"},
		"a-b-c":    {"turn2.example", "turn4.example"},
		"Raum-äöü": {"turn0.example", "turn2.example"},
	} {
		if got := o.of(room); got != want {
			t.Errorf("%s has %+v, want %+v", room, got, want)
		}
	}
}
