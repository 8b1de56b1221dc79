//go:build linux

// Package serve has the servers of the bench that are written in Go: Parley as an app embeds it, and the
// least that could do as much on the wire, net/http with gorilla/websocket. Each runs in a process of its own.
package serve
