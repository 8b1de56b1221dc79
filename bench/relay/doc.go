//go:build linux

// Command relay compares Parley's relay with coturn and with the server of pion/turn, in one run on one machine: what an
// idle allocation holds, what making it costs, and what a relayed packet does. README.md says what is measured, and how.
package main
