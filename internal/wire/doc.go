// Package wire is the signaling protocol as bytes: the frames that links carry,
// the bodies of the HTTP resources, what is valid in them, and the one table of
// codes for everything that can be refused. docs/protocol/signaling.md is its text.
//
// It knows no connection and no room. The server and the Go client share it.
package wire
