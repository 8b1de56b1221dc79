//go:build linux

package sample

import (
	"math"
	"slices"
)

// Number is what can be sampled.
type Number interface{ ~int32 | ~int64 | ~float64 }

// Percentile returns the p-th percentile (0 < p ≤ 100) of sorted values by the nearest rank: the
// least of them that p per cent are not above. Of none it is 0.
func Percentile[T Number](sorted []T, p float64) T {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Median returns the middle of the values, or the mean of the two in the middle. Of none it is 0.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
