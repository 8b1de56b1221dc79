// Package turn is the relay's engine: the server's side of STUN (RFC 8489), TURN (RFC 8656) and TURN
// over TCP (RFC 6062) as a machine without sockets, clock or goroutines.
//
// An [Engine] is fed what arrived, with the time: packets of clients (FromClient), of peers
// (FromPeer) and of other engines of the same relay (FromInside), and the passing of time (Expire).
// It answers through two interfaces of its caller: [Ports] opens relay sockets, [Sink] takes packets
// for clients. What the engine hands out is valid during the call only, except that a body which
// came in may be kept as long as the caller keeps the buffer it came in.
//
// An engine has one owner and no lock. Several of them, one per worker, make one relay: what they
// share is in [Shared], and is touched when an allocation begins or ends, never on the way of a
// packet through a bound channel to a peer outside.
//
// Over UDP nothing is remembered about a client before it has returned a nonce, and answers to
// strangers are small and counted against a budget.
package turn
