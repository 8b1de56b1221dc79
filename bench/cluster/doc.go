//go:build linux

// Command cluster measures what rooms in Redis cost, beside the same rooms in a node's memory: frames through pairs on
// one node and between two, steps one by one, and the memory of sessions that are idle. README.md says how.
package main
