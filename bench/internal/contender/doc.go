//go:build linux

// Package contender starts the servers that are compared, each as a process of its own, bound to a
// core if the system can do that, and reads what they use.
package contender
