// Package probe is a small STUN and TURN client (RFC 8489, RFC 8656) that finds out whether a server serves: for a relay's own health
// check, to learn under which address others see this host, and for turn check, which tests a relay from outside, step by step.
//
// It does one thing after the other and says which of them failed. It is no client to send media with.
package probe
