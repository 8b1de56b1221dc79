//go:build linux

// Package gauge reads what a process uses, from outside it: CPU time and memory, as Linux counts them.
package gauge
