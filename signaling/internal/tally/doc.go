// Package tally counts what a server does. Everything in it may be used concurrently, and
// counting allocates nothing.
package tally
