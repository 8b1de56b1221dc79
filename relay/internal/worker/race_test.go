//go:build race

package worker

// raced says that this is built with the race detector, with which a sync.Pool forgets some of what it has.
const raced = true
