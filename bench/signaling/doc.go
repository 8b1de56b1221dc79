//go:build linux

// Command signaling compares Parley's signaling server with y-webrtc's, PeerJS's and Socket.IO, in one run
// on one machine: what an idle connection holds, what a connect costs, and how frames go through a pair and
// through a room. README.md says what is measured, and how.
package main
