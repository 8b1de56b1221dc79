package mesh

import (
	"math"
	"slices"
	"testing"
)

// What is no number in a test of an order.
const (
	pause = -1 // a second passes
	leap  = -2
)

func TestOrder(t *testing.T) {
	run := func(first, count int) []int {
		numbers := make([]int, count)
		for i := range numbers {
			numbers[i] = first + i
		}
		return numbers
	}
	for says, c := range map[string]struct {
		options   Options
		size      int
		come      []int
		delivered []int
		skips     int
	}{
		"each is delivered once":                                                  {come: []int{1, 1, 2, 1, 2, 3}, delivered: []int{1, 2, 3}},
		"the first one sets where to begin":                                       {come: []int{7, 6, 8}, delivered: []int{7, 8}},
		"what is early waits for what misses":                                     {come: []int{1, 3, 4, 3, 2, 5}, delivered: []int{1, 2, 3, 4, 5}},
		"what stays missing is skipped after a second, and dropped when it comes": {come: []int{1, 3, pause, 2, 4}, delivered: []int{1, 3, 4}, skips: 1},
		"after each gap is waited anew":                                           {come: []int{1, 3, 5, pause, pause, 6}, delivered: []int{1, 3, 5, 6}, skips: 2},
		"no more than 64 wait":                                                    {come: append([]int{1}, run(3, 65)...), delivered: append([]int{1}, run(3, 65)...), skips: 1},
		"no more than a mebibyte waits":                                           {come: []int{1, 3, 4}, size: 600_000, delivered: []int{1, 3, 4}, skips: 1},
		"after a time alone nothing is waited for, and what was had stays so":     {come: []int{1, 2, leap, 2, 9, 8, 10}, delivered: []int{1, 2, 9, 10}},
		"without an order all come at once":                                       {options: Options{Unordered: true}, come: []int{1, 3, 2, 3, 4}, delivered: []int{1, 3, 2, 4}},
		"only the latest":                                                         {options: Options{Unordered: true, LatestOnly: true}, come: []int{1, 3, 2, 5, 4}, delivered: []int{1, 3, 5}},
		"the greatest number is one":                                              {come: []int{math.MaxUint32, 0}, delivered: []int{math.MaxUint32}},
	} {
		t.Run(says, func(t *testing.T) {
			var clock stillClock
			var got []int
			skips := 0
			o := &order{options: c.options, after: clock.after, skipped: func() { skips++ }}
			for _, n := range c.come {
				switch {
				case n == pause:
					clock.pass(patience)
				case n == leap:
					o.leap()
				case o.isNew(uint32(n)):
					o.take(uint32(n), max(c.size, 1), func() { got = append(got, n) })
				}
			}
			if !slices.Equal(got, c.delivered) || skips != c.skips {
				t.Errorf("delivered %v with %d skips, want %v with %d", got, skips, c.delivered, c.skips)
			}
			if len(o.held) == 0 && o.size != 0 {
				t.Errorf("nothing is held, and counts as %d bytes", o.size)
			}
		})
	}
}
