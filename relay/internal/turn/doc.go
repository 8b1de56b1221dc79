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
//
// # What is left to the caller
//
//   - Time: call Expire when Next says so. Being late costs memory and ports, nothing else.
//   - Streams: cut them with [Stream], close the connection on ErrFrame and on Effect.Hangup, and say
//     Gone when it is closed. A connection that has not brought Effect.Authenticated for some
//     seconds, or whose allocation has ended (Config.Ended), has no business here.
//   - UDP listeners: one number in Client.Listener for each local address and port.
//   - Relay sockets: pass datagrams to FromPeer and the error queue to Unreachable, with the Relay
//     that the socket was opened for. Packets may come late, when the relay has been closed.
//   - TCP relaying: do not read from a peer before its connection is bound; its window holds what it
//     sends meanwhile. Effect.Bound turns a client's connection into that of the peer, beginning with the
//     bytes behind the request. Copy both ways, say Carried for what went through, to the engine in
//     Effect.Owner, and Disconnected at the end; close both when CloseConn says so. After Join, what a
//     client sends goes to the client of the other connection.
//   - Peers: call SetPolicy when the rules change, or the addresses of the host.
package turn
