// Package signaling is an embeddable WebRTC signaling server: it tells peers who
// else is in their room, and passes offers, answers and ICE candidates between
// them, in order and exactly once, across broken connections.
//
//	server, err := signaling.New(signaling.Config{})
//	…
//	http.Handle("/v1/", server)
//
// A [Server] is an [http.Handler] for the resources of the signaling protocol
// (docs/protocol/signaling.md), below any path prefix. Clients are package client, the
// browser client in web/client, and whatever else speaks the protocol.
//
// Everything in [Config] has a default. The hooks decide who may join ([Config.Authenticate] and
// [Config.Authorize]; package tokens has both for JWTs), which STUN and TURN servers peers are
// given ([Config.ICEServers]), and see what happens ([Config.Observe]).
//
// A join makes a session: an identity in one room, to which the others can send even while its
// client is not connected. The connection of the moment is called a link: a WebSocket, server-sent
// events, long or short polls, whatever the client's network allows. When one breaks, the next
// goes on where it stopped. Rooms are kept by a [store.Store], by default in memory.
//
// Links outlive the handler that opened them, and the timeouts of the [http.Server]. Middleware
// that wraps the [http.ResponseWriter] has to have Unwrap, as [http.ResponseController] wants it;
// without, WebSockets and events are refused, and the log says why. To stop, call
// [Server.Shutdown] before the [http.Server]'s. The rest about embedding is in docs/embedding.md.
//
// The server's own view of its rooms is [Server.Peers], [Server.Rooms], [Server.Send]
// and [Server.Disconnect], which [Server.AdminHandler] serves by HTTP; [Server.Stats]
// counts what it does.
package signaling
