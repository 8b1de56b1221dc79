// Package proxies runs the Go client against the signaling server through real nginx and haproxy,
// configured in the ways that hurt: WebSockets refused or cut, events held back, polls cut, requests
// limited, the proxy restarted. Through each of them clients connect soon, and lose nothing.
//
// The configurations that docs/operations.md recommends are read from there, and have to be the best.
package proxies
