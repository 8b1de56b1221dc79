// Package oneport tells apart what comes to one TCP port: HTTP, TURN, and both over TLS. The first byte of a
// connection, or the first decrypted one, says what it is: a STUN message begins with 0x00 to 0x03 (RFC 8489 section 5),
// an HTTP request with a letter, TLS with 0x16 (RFC 7983 has the like for UDP).
//
// Each connection waits for that byte on a goroutine of its own, for so long and no longer, and nothing else waits for
// it. A plain connection that turns out to be HTTP is passed on as it was accepted, with nothing read from it and nothing around it.
package oneport
