// Package worker gives the engines of package turn their sockets, their clocks and their goroutines.
//
// A [Crew] is a relay: workers, and what they share (ports, the counts of connections by source, who waits for the end). Each [Worker] owns
// one engine behind one lock, its relay sockets, and of each UDP port that is served a socket of its own (SO_REUSEPORT), so that
// what comes from one client always comes to the same worker. Connections are given to the workers in turn.
//
// Whoever has read something (a datagram of a client or of
// a peer, bytes of a stream) takes its worker's lock, feeds the engine, and sends what it answered after
// letting the lock go: sockets are never written to, opened connections never waited for, with the
// lock held. Answers to streams and DTLS clients go into a bounded queue per connection, so that a
// client that does not read costs only itself. What is for a client of another worker is fed to that one's engine then, by
// the same goroutine: nobody holds two locks, and nothing is queued between workers.
//
// Nothing here knows the protocol: the engine takes and gives packets, and how they are read and
// written, one by one or many at once, is this package's own affair.
package worker
