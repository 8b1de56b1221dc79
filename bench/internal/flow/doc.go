//go:build linux

// Package flow has clients send each other stamped messages, as many as are answered or at a steady pace, and
// says how many came through, how long they took, and what CPU time they cost.
package flow
