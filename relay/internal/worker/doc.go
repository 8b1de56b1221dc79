// Package worker gives an engine of package turn its sockets, its clock and its goroutines.
//
// A [Worker] owns one engine behind one lock. Whoever has read something (a datagram of a client or of
// a peer, bytes of a stream) takes the lock, feeds the engine, and sends what it answered after
// letting the lock go: sockets are never written to, opened connections never waited for, with the
// lock held. Answers to streams and DTLS clients go into a bounded queue per connection, so that a
// client that does not read costs only itself.
//
// Nothing here knows the protocol: the engine takes and gives packets, and how they are read and
// written, one by one or many at once, is this package's own affair.
package worker
