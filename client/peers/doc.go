// Package peers joins a room of a Parley server, and connects to everybody in it over WebRTC data channels.
//
//	room, err := peers.Join(ctx, "https://rtc.example", "lobby", peers.Config{
//		Client:   client.Options{Name: "Ada"},
//		Channels: map[string]peers.ChannelOptions{"chat": {}},
//	})
//	…
//	defer room.Leave(ctx)
//	for {
//		channel, err := room.Accept(ctx) // a net.Conn to each peer, as it opens
//		if err != nil {
//			return err
//		}
//		go io.Copy(channel, channel)
//	}
//
// The others may be browsers: web/client speaks the same, docs/protocol/peers.md. Package [client] is what signals, and
// embedding that one alone links no WebRTC.
//
// # What lasts
//
// Three things are kept apart. The link to the server breaks and comes back, and nothing that was sent over it is lost. The
// session, which is who one is in the room, outlives links; when the server has lost it the room is joined again under the same
// id. The connections to peers need the server to begin and to be repaired, and nothing else: a server that
// is gone interrupts none of them.
//
// A connection whose packets stop is restarted (by new ICE candidates, on the same connection: what was written
// arrives), and replaced when that does not help: then its channels end with [ErrLost], others open, and that is the moment to
// compare what both sides have. A peer that falls silent is [Reconnecting] after 6 to 8 s.
//
// # Through the server
//
// Two peers without a path to each other, for 2 s, or 4 s after one was lost, send their messages through the server that signals: sealed, if
// they have the room's key, in order and complete. The peer's [Path] is [Server] then. That is slow, and counts against
// the server's limits. As soon as a connection is ready, the same channels go on over it, and nothing is lost or told twice. The other
// way round a connection is given up for it as for another connection: its channels end with [ErrLost].
// [Config.NoServerRelay] is for apps that would rather wait.
//
// # Rooms of many
//
// In a room of more than 12 each peer is connected to at most 8 others, its neighbours, and messages are passed on ([Room.Meshed]; docs/protocol/peers.md,
// "Mesh"). A peer that only others reach is [Connected] by the [Path] [Mesh], and its channels are like any other: a channel goes on when the way to its peer is
// another one. [Room.Broadcast] gives a message to the neighbours, which give it to the others; each gets it once, and in order. A message to one by way of others has at most
// 64 KiB ([Channel.Write] cuts what is longer); it is given away when WriteMessage returns, and nobody tells when it has arrived, so [Peer.Buffered] does not count it.
//
// Messages that are passed on may be lost when connections break, when more than 1 MiB waits for a neighbour, and when more than 1 MiB was not read. What is missing on a
// channel that is ordered and complete is told: the [Channel] ends with [ErrLost] for its reader, and another one takes its place, by [Peer.Open] and [Room.Accept].
// Whoever has the room's key can change what it passes on. [Config.NoMesh] is for programs that want a connection to everybody: a recorder, say.
//
// # Messages
//
// A [Channel] keeps messages of any size apart, up to [Config.MaxMessage], in pieces of 16 KiB on the wire; and it is a [net.Conn],
// for what wants a stream. Writing waits while 1 MiB is on its way, reading holds the sender when 256 KiB were not read: nothing grows without
// bound, and nothing of a reliable channel is dropped.
//
// # Trust
//
// With a room key ([NewKey], [Config.Key]) that the server never sees, descriptions of connections are signed and checked, so that nobody, not even
// the server, is between two peers that both are [Peer.Verified]. Without one the server is trusted.
//
// # Limits
//
// What comes from a peer is bounded, whatever it sends: notes, candidates, connections that are being made, messages that are not complete. What is dropped is named by [Fault],
// once for each peer and kind.
//
// Fresh credentials of relays reach living connections before the old ones expire, and are used from the
// next restart on.
package peers
