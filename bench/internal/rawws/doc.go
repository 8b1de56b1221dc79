//go:build linux

// Package rawws is a WebSocket client (RFC 6455) that costs a load generator next to nothing, the same
// for every server: text messages of one frame, a mask of zeros, no extensions.
package rawws
