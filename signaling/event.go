package signaling

import "time"

// EventKind says what an [Event] is about.
type EventKind string

// The kinds of events.
const (
	SessionJoined EventKind = "session_joined" // a join made a session, or took one over
	JoinRefused   EventKind = "join_refused"   // Code says why
	LinkOpened    EventKind = "link_opened"    // a WebSocket or a stream of events is in use; polls make no such events
	LinkClosed    EventKind = "link_closed"    // Code says why; "": the client closed it, or it broke
	SessionKicked EventKind = "session_kicked" // [Server.Disconnect] ended it: what it was given, such as relay credentials, can be revoked
	SessionLeft   EventKind = "session_left"   // the client left at once; a soft leave, which it can take back, makes none
)

// Event is something that happened on this server. What a shared store does for
// other servers, and the silent end of a session whose link was lost before, make none.
type Event struct {
	Kind    EventKind
	Time    time.Time
	Room    string
	Session string
	Peer    string
	Link    string // kind of link: "websocket" or "events"
	Code    string // of the protocol's table
	Resumed bool   // SessionJoined: an earlier session's peer id was taken over
}

func (s *Server) observe(e Event) {
	if s.cfg.Observe != nil {
		e.Time = time.Now()
		s.cfg.Observe(e)
	}
}
