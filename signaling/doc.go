// Package signaling is an embeddable WebRTC signaling server: it tells peers who
// else is in their room, and passes offers, answers and ICE candidates between
// them, in order and exactly once, across broken connections.
//
//	server, err := signaling.New(signaling.Config{})
//	…
//	http.Handle("/v1/", server)
//
// A [Server] is an [http.Handler]. It serves the resources of the signaling protocol
// (docs/protocol/signaling.md) below any path prefix. Everything in [Config] has a
// default; the hooks decide who may join ([Config.Authenticate], [Config.Authorize]), which
// STUN and TURN servers peers are given ([Config.ICEServers]), and see what
// happens ([Config.Observe]).
//
// A join makes a session: an identity in one room, and a mailbox of numbered frames not yet
// acknowledged. A link carries the frames for as long as it holds: a WebSocket, server-sent
// events, long or short polls; the next one goes on where it broke. Rooms are kept by a
// [store.Store], by default in memory.
//
// The server's own view of its rooms is [Server.Peers], [Server.Rooms], [Server.Send]
// and [Server.Disconnect].
package signaling
