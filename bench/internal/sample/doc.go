//go:build linux

// Package sample turns what was measured into a few numbers: percentiles and medians.
package sample
