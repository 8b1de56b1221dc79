// Package relay is a STUN and TURN server (RFC 8489, RFC 8656) to run inside a Go program.
//
// A server needs an address to advertise and somebody to serve: users with time-limited
// credentials from package credentials, users with fixed passwords, or both. There is no
// anonymous mode.
//
// A client may reach ordinary public addresses through it, and other clients of the same server;
// everything else (private networks, the host itself, cloud services beside it) is denied unless
// the configuration allows it. Packets between two clients of one server stay inside the process.
//
// Clients come over UDP, TCP, TLS and DTLS, by IPv4 and IPv6; relayed is UDP over both, and TCP (RFC 6062) where
// it is asked for. The server listens to nothing by itself: it is handed sockets, listeners and connections.
package relay
