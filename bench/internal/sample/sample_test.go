//go:build linux

package sample

import "testing"

func TestPercentile(t *testing.T) {
	for name, c := range map[string]struct {
		sorted []int32
		p      float64
		want   int32
	}{
		"of nothing":                          {nil, 50, 0},
		"of one value, it":                    {[]int32{7}, 1, 7},
		"the median of four is the second":    {[]int32{1, 2, 3, 4}, 50, 2},
		"the median of five is the third":     {[]int32{1, 2, 3, 4, 5}, 50, 3},
		"the 99th of ten is the last":         {[]int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 99, 10},
		"the 90th of ten is the last but one": {[]int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 90, 9},
		"the 100th is the last":               {[]int32{1, 2, 3}, 100, 3},
		"the 0th is the first":                {[]int32{1, 2, 3}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Percentile(c.sorted, c.p); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   float64
	}{
		"of nothing":                             {nil, 0},
		"of one value, it":                       {[]float64{3}, 3},
		"of three in disorder, the middle":       {[]float64{9, 1, 4}, 4},
		"of four, the mean of those between":     {[]float64{9, 1, 4, 6}, 5},
		"one round that went wrong does nothing": {[]float64{2, 1000, 2}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Median(c.values); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
