// Package client joins a room of a Parley server, and passes signals to the peers in it.
//
//	session, err := client.Join(ctx, "https://rtc.example", "lobby", client.Options{Name: "Ada"})
//	…
//	defer session.Leave(ctx)
//	for event := range session.Events() {
//		switch e := event.(type) {
//		case client.Joined:
//			err = session.Send(ctx, e.Peer.ID, e.Peer.Epoch, "hello")
//		case client.Signal:
//			fmt.Println(e.From, "says", string(e.Data))
//		}
//	}
//
// A [Session] outlives its connections. What is sent arrives exactly once and in order while the
// session and the recipient's live, whatever happens to the link that carries it. When the
// server has lost the session, because it was restarted, say, the client joins again under the same
// peer id and says so by [Rejoined]. Only [Ended] is the end.
//
// # Links
//
// Of the four kinds of links the best that works is chosen: a WebSocket, server-sent events, long
// polls, short polls. From the join on the client polls, so the first signals flow at once on any
// network, and meanwhile tries a WebSocket and, after 0.7 s, events beside it. A WebSocket has proved
// itself when it answered a ping, events when the server's first frame arrived and the stream lived
// on for a second: what proved itself takes over. When a link breaks it begins anew; one that did not
// work, or broke within 10 s, is tried again after 30 s, and then after twice as long each time, up to 10
// minutes. [Options.Link] forces one kind.
//
// # Back-pressure
//
// Nothing is dropped, and nothing grows without bound. When the events are not read, [Options.Buffer] of
// them wait, and then no more is read from the link, so that they wait at the server: an app that
// stops reading loses its session in the end, as slow, and joins again once it reads. When
// the server does not take what is sent, because it is more than the server's rate allows, say, [Options.Queue] frames wait, and then Send does. An app may
// send where it reads events: sending goes on however many events wait.
//
// The protocol is described in docs/protocol/signaling.md.
package client
