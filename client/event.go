package client

import (
	"encoding/json"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// Link is a kind of link, which carries a session's frames.
type Link int

// The kinds of links, the best first.
const (
	Auto      Link = iota // as an option: the best that works; of a session: none just now
	WebSocket             // RFC 6455
	Events                // server-sent events, and POST
	LongPoll
	ShortPoll
)

// String returns the kind's name.
func (l Link) String() string {
	return [...]string{"auto", "websocket", "events", "long poll", "short poll"}[l]
}

// Peer is another peer of the room.
type Peer struct {
	ID       string
	Epoch    int64  // of its session: greater than that of every session before
	Instance string // stays the same when a process joins again
	Name     string
	Meta     json.RawMessage // nil: none
	Presence string          // "here", "away" or "leaving"
}

func peerOf(p wire.Peer) Peer {
	return Peer{ID: p.Peer, Epoch: p.Epoch, Instance: p.Instance, Name: p.Name, Meta: p.Meta, Presence: p.Presence}
}

// ICEServer is an entry of an RTCConfiguration's iceServers (W3C WebRTC, section 4.2.4).
type ICEServer struct {
	URLs       []string
	Username   string
	Credential string
}

// ICE are servers for peers' connections to each other.
type ICE struct {
	Servers []ICEServer
	TTL     time.Duration // life of the credentials from when they came; 0: they do not expire
}

func iceOf(servers []wire.ICEServer, ttl float64) ICE {
	ice := ICE{TTL: time.Duration(ttl * float64(time.Second))}
	for _, s := range servers {
		ice.Servers = append(ice.Servers, ICEServer(s))
	}
	return ice
}

// Event is something that happened in the room or to the session: [Joined], [Left], [Changed],
// [Signal], [Refused], [LinkChanged], [ICEChanged], [Rejoined] or [Ended]. More kinds may be added.
type Event interface{ event() }

// Joined tells of a peer that joined. It replaces one of the same id.
type Joined struct{ Peer Peer }

// Left tells of a peer that is gone. Reason is "leave", "lost", "slow" or "kicked"; only leave and
// kicked end connections to it that live.
type Left struct {
	Peer   Peer
	Reason string
}

// Changed tells that a peer's name, meta or presence is another. Peer is as it is now.
type Changed struct{ Peer Peer }

// Signal is data from another peer; from the server itself, if From is "".
type Signal struct {
	From      string
	Epoch     int64 // of the session of From that sent it
	Data      json.RawMessage
	Broadcast bool
}

// Refused tells that the server refused what was sent to To, "" if to nobody in particular. A broadcast may
// be refused for some of its recipients.
type Refused struct {
	To  string
	Err *Error
}

// LinkChanged tells which kind of link is in use now; Auto: none, and one is being looked for.
type LinkChanged struct{ Link Link }

// ICEChanged brings fresh ICE servers, before the credentials of those before expire.
type ICEChanged struct{ ICE ICE }

// Rejoined tells that the session was lost at the server, for the reason Err, and that the client has
// joined again: with another id, secret and epoch, and numbers that begin anew. How the room
// differs from the one before is told by Left, Joined and Changed, which follow.
type Rejoined struct {
	Err  error
	Lost int // frames that were sent, of which it is not known whether they were received; they are not sent again
}

// Ended is the last event: the session is over for the reason Err.
type Ended struct{ Err error }

func (Joined) event()      {}
func (Left) event()        {}
func (Changed) event()     {}
func (Signal) event()      {}
func (Refused) event()     {}
func (LinkChanged) event() {}
func (ICEChanged) event()  {}
func (Rejoined) event()    {}
func (Ended) event()       {}
