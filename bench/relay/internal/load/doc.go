//go:build linux

// Package load sends packets through a TURN relay, both ways at once, and measures what arrives when. It sends and receives on one
// thread, in batches but without offloads, and says when it was itself too slow.
package load
