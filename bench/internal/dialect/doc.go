//go:build linux

// Package dialect speaks to every server of the bench as its own clients do, with as little work as can be:
// how to connect and enter a room, to send to one peer or to all, and to read what others sent.
package dialect
