// Package store is the contract between the signaling server and the place where
// its rooms live.
//
// Every operation but Watch and Rooms is one atomic step on one room: it
// expires what is due, checks everything, and only then writes and wakes. A step may be
// repeated after an outcome that is not known: an attempt, a frame number, an
// acknowledgement or a fence makes the second time harmless. Times are the
// store's own clock, so nodes need not agree on theirs.
//
// Nothing here needs a sweeper that must stay alive: each step says when the next thing in its room is
// due, and a node that serves the room comes back then (by Roster). The contract is
// written so that a step can be one script on one hash slot of a Redis cluster.
package store

import (
	"context"
	"errors"
	"time"
)

// Store keeps rooms. All methods may be called concurrently. An error that is
// none of this package's means that the outcome is not known: the store could not be reached.
type Store interface {
	// Join makes a session, or returns the one that the same attempt made. The
	// room comes to be with its first session.
	// Errors: ErrRoomFull, ErrTooMany, ErrPeerTaken, ErrAttemptReused, ErrResumeUsed, *EndedError.
	Join(ctx context.Context, room string, r JoinRequest) (Joined, error)

	// Attach opens a link to a session, or confirms one that was opened as a probe. A
	// probe only takes a number; a confirmed link's number becomes the session's
	// fence, and the link before it is woken. Confirming again changes nothing.
	// Errors: those of Ref, ErrHistoryLost, ErrSuperseded.
	Attach(ctx context.Context, ref Ref, l Link) (Attached, error)

	// Owner tells whose session it is, and changes nothing. Errors: those of Ref.
	Owner(ctx context.Context, ref Ref) (Owner, error)

	// Exchange takes frames from a session, and gives it those it has not had.
	// Errors: those of Ref, ErrHistoryLost.
	Exchange(ctx context.Context, ref Ref, x Exchange) (Result, error)

	// Detach says that the link with this fence is gone. An older fence does nothing.
	// Errors: those of Ref.
	Detach(ctx context.Context, ref Ref, fence int64) (Due, error)

	// Leave ends a session at its own wish: softly (it can be resumed, or linked
	// again, within Rules.Leaving), or at once. That it leaves softly, and that it is back, count as frames that it sent to
	// the others; without a place for one with each of them it is not shown as leaving. It returns whose session it was. Errors: those of Ref.
	Leave(ctx context.Context, ref Ref, soft bool) (peer string, due Due, err error)

	// End ends a session at the server's wish. Its client is told code; the others
	// are, too, if it is lost, slow or kicked, and kicked otherwise. Error: ErrNoSession.
	End(ctx context.Context, room, session, code string) (Due, error)

	// Post puts a frame of the server's own into a peer's mailbox; to "" is everybody's.
	// A key used within the last Rules.Tombstone does nothing. Errors: ErrNoPeer, also when nobody is there; ErrBusy.
	Post(ctx context.Context, room, key, to string, data []byte) (Due, error)

	// Roster returns who is in a room. A room that nobody is in has an empty one.
	Roster(ctx context.Context, room string) (Roster, error)

	// Watch has wake called whenever a session may have something to read: a
	// frame, a newer link, its end. It is subscribed when Watch returns. Wake must
	// not block; calls for nothing are allowed, and after an interruption
	// of the store's own there is always one. Error: ErrNoSession.
	Watch(ctx context.Context, room, session string, wake func()) (stop func(), err error)

	// Rooms lists rooms by name, a page at a time; next is "" with the last page.
	Rooms(ctx context.Context, cursor string) (rooms []string, next string, err error)
}

// The refusals of a store.
var (
	ErrNoSession     = errors.New("store: no such session")
	ErrWrongSecret   = errors.New("store: wrong secret")
	ErrRoomFull      = errors.New("store: room is full")
	ErrTooMany       = errors.New("store: too many sessions of one address")
	ErrPeerTaken     = errors.New("store: peer id is taken")
	ErrAttemptReused = errors.New("store: attempt was used with another body")
	ErrResumeUsed    = errors.New("store: session was resumed already")
	ErrHistoryLost   = errors.New("store: frames asked for are not there")
	ErrSuperseded    = errors.New("store: a newer link is in use")
	ErrNoPeer        = errors.New("store: no such peer")
	ErrBusy          = errors.New("store: mailbox is full")
)

// EndedError says that a session is over, and why; it is told for as long as
// Rules.Tombstone after the end.
type EndedError struct{ Code string }

// Error implements error.
func (e *EndedError) Error() string { return "store: session ended: " + e.Code }

// The codes with which a store ends sessions itself, and refuses frames.
const (
	CodeLeft    = "left"    // it left
	CodeLost    = "lost"    // it had no link for too long
	CodeSlow    = "slow"    // a frame of the server's making did not fit into its mailbox
	CodeKicked  = "kicked"  // End was called with it
	CodeResumed = "resumed" // a newer session took over its peer id

	CodeNoPeer     = "no_peer"     // refused: nobody of that peer id is there
	CodeStaleEpoch = "stale_epoch" // refused: the peer has another epoch now
	CodeBusy       = "busy"        // refused: the peer's mailbox is full
	CodeForbidden  = "forbidden"   // refused: the session may not do this
	CodeExpired    = "expired"     // ended: what it joined with is not good any more
)

// Rules are the limits and times of a room: those of its latest join. They
// travel with the joins, so that a store has no configuration of its own.
type Rules struct {
	Peers      int // sessions in the room
	PerAddress int // of those, from one address; 0: as many

	// What a session may send: Rate a second, and Burst at once, counted as [Sent.Cost]. Rate 0: as much as it likes.
	Rate, Burst int // bytes

	// What waits for one session. A frame counts Overhead and the bytes of its data, name,
	// meta and message. Frames that peers send (Signal, and Changed by a change) may take three
	// quarters in all and a quarter each, but one frame of a sender always may; the rest is for frames of the server's making.
	MailboxFrames int
	MailboxBytes  int

	Lease     time.Duration // a linked session is shown as away so long after a renewal, and gone Left later
	Polling   time.Duration // one that polls is gone so long after a poll instead
	Away      time.Duration // shown as away so long after its link was lost
	Left      time.Duration // gone so long after its link was lost
	Unlinked  time.Duration // gone so long after the join, if it never had a link
	Leaving   time.Duration // gone so long after a soft leave
	Attempt   time.Duration // a join can be repeated so long
	Tombstone time.Duration // an end is remembered so long
}

// Overhead is what a frame counts in a mailbox beside its contents, in bytes.
const Overhead = 128

// Ref names a session with the proof of being allowed to. Errors of the steps
// that take one: ErrNoSession, ErrWrongSecret, *EndedError.
type Ref struct {
	Room, Session string
	SecretHash    [32]byte // SHA-256 of the secret
}

// Due is when something in the room is due next, from now; 0: nothing is.
type Due = time.Duration

// JoinRequest asks for a session.
type JoinRequest struct {
	Attempt  [32]byte // hash of the attempt
	Body     [32]byte // hash of everything the client asked for
	Resuming bool     // take over the peer id of the session with the secret of hash Resume,
	Resume   [32]byte // if it has the same Subject, and the peer id wanted, if one is
	Subject  string   // the app's id for the user; "": unknown
	Address  string   // where it comes from, as Rules.PerAddress counts it; a session that resumes counts for nothing. "": unknown, and not counted
	Deny     Deny
	Expires  time.Duration // the session ends as expired so long from now, unless refreshed; 0: never

	Session    string // the id of the session, if one is made
	Salt       []byte // what the secret is derived from, with the attempt
	SecretHash [32]byte

	Peer     string // wanted peer id; "": Spare
	Spare    string // random peer id
	Instance string
	Name     string
	Meta     []byte // JSON; nil: none

	Rules Rules
}

// Deny is what a session may not do: such frames are refused as forbidden.
type Deny struct {
	Signal    bool
	Broadcast bool
	Rename    bool // a Change of the name
}

// Joined is a session as its join is answered.
type Joined struct {
	Session string
	Salt    []byte // of the session returned, which an earlier call may have made
	Peer    string
	Epoch   int64
	Resumed bool // an earlier session's peer id was taken over
	At      int64
	Peers   []Peer // the others, as of frame At
	Due     Due
}

// Presence says how present a peer is.
type Presence string

// The presences. A peer that is gone is in no roster.
const (
	Here    Presence = "here"
	Away    Presence = "away"    // its link was lost a while ago
	Leaving Presence = "leaving" // it left softly
)

// Peer is a session as others see it.
type Peer struct {
	ID       string
	Session  string // for the server's own use; never shown
	Epoch    int64  // rising per room with each session, < 2^53
	Instance string
	Name     string
	Meta     []byte // JSON; nil: none
	Presence Presence
}

// Roster is who is in a room.
type Roster struct {
	Peers []Peer // by epoch
	Due   Due
}

// Owner is whose a session is, and how long it lasts.
type Owner struct {
	Peer    string        // the session's peer id
	Subject string        // the app's id for the user; "": unknown
	Age     time.Duration // since the join
	Expires time.Duration // the session ends as expired so long from now; 0: never
}

// Link is what a session's frames are to go over.
type Link struct {
	Kind  string // "websocket", …: of a probe, given again when it is confirmed; told to the link that follows as Attached.Before
	Polls bool   // it is a poll: renewed by the next one, not by heartbeats
	Goes  int64  // a poll: goes on with the polling link of this number, in its next turn; 0: opens a link
	Probe bool   // it is opened to be tried only
	Use   int64  // confirm the probe of this number; 0: open a link
	After int64  // the last frame the client has; less than what it acknowledged means that
}

// Attached is a session as its new link finds it.
type Attached struct {
	Owner
	Fence    int64  // the number of the link
	Took     bool   // it has come into use with this: it is no probe, and not a poll that goes on
	Before   string // then, the kind of the link that was in use before; "": none was
	Turn     int64  // of a polling link: the number of the poll
	Received int64  // uplink frames received
	After    int64  // read from here on
	Tail     int64  // the newest frame in the mailbox
	Peers    []Peer // the others, as of frame Tail

	Quiet time.Duration // since the lease was renewed before this
	Due   Due
}

// Exchange is what a session sends and asks for in one step.
type Exchange struct {
	Frames []Sent // numbered without gaps; those received already are skipped
	Ack    int64  // the client has handled frames up to here; only rises, whatever the fence
	After  int64  // read what is after here, and not acknowledged
	Max    int    // bytes to read: at least one frame, if there is one; 0: none
	Fence  int64  // of the link; 0: no link's
	Turn   int64  // of a polling link; 0: not one
	Renew  bool   // the client lives: renew the lease of a linked session
}

// Result is what an exchange came to.
type Result struct {
	Received   int64         // uplink frames received now
	Gap        bool          // frames are missing before the first of those sent
	Wait       time.Duration // frame Received + 1 was over Rules.Rate, and not taken: it may be after so long
	Refused    []Refusal     // of this exchange; also in the mailbox
	Frames     []Frame
	Acked      int64 // the newest frame that was acknowledged
	Tail       int64 // the newest frame in the mailbox
	Superseded bool  // Fence or Turn is over: nothing was read or renewed
	Probing    bool  // Fence is not confirmed yet: nothing was read or renewed

	Quiet time.Duration // since the lease was renewed last
	Idle  time.Duration // since a frame came or went last
	Due   Due
}

// Refusal says that a frame was consumed and refused. The sender is told by a
// frame in its own mailbox, so that it learns of it even if its link breaks.
type Refusal struct {
	N       int64  // the number of the refused frame
	To      string // whom it was for
	Code    string
	Message string // "": the code's own
}

// Kind is a kind of numbered frame.
type Kind uint8

// The kinds of numbered frames.
const (
	Signal     Kind = iota + 1 // either way
	Broadcast                  // up; comes down as Signal
	Change                     // up
	Leave                      // up
	Refresh                    // up
	Invalid                    // up: consumed, and refused for the reason given
	JoinedRoom                 // down
	LeftRoom                   // down
	Changed                    // down
	Refused                    // down
)

// Sent is one frame from a session.
type Sent struct {
	N     int64
	Kind  Kind
	To    string  // Signal: the recipient
	Epoch int64   // Signal: the recipient's; 0: any
	Data  []byte  // Signal, Broadcast: JSON
	Name  *string // Change; nil: stays
	Meta  []byte  // Change: JSON; nil: stays; "null": taken away

	Refusal Refusal // Invalid: why; its N is not read

	Subject string        // Refresh: whose the new token is; forbidden if not the session's
	Expires time.Duration // Refresh: as JoinRequest.Expires
}

// Cost is what a frame takes of its session's Rules.Burst, if so many others are in the room: what it
// puts into their mailboxes, and at least Overhead. A Leave is always taken.
func (s Sent) Cost(others int) int {
	if s.Kind == Leave {
		return 0
	}
	size := Overhead + len(s.Data) + len(s.Meta) + len(s.Refusal.Message)
	if s.Name != nil {
		size += len(*s.Name)
	}
	if s.Kind == Broadcast || s.Kind == Change {
		return size * max(others, 1)
	}
	return size
}

// Frame is one frame in a mailbox. Its slices are shared and never written to.
type Frame struct {
	N         int64
	Kind      Kind
	From      string   // Signal: the sender; "": the server
	Epoch     int64    // Signal: the sender's
	Broadcast bool     // Signal
	Data      []byte   // Signal
	Peer      *Peer    // JoinedRoom, LeftRoom and Changed: whom it is about; Changed: only what changed, besides ID and Epoch
	Name      *string  // Changed
	Reason    string   // LeftRoom: leave, lost, kicked, slow
	Refusal   *Refusal // Refused
}
