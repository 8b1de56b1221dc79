package peers

import (
	"github.com/parley-rtc/parley/client"
)

// Event is something that happened in the room: [Joined], [Left], [Changed], [LinkChanged], [Fault] or [Ended]. More kinds may be
// added.
type Event interface{ event() }

// Joined tells of a peer that is there.
type Joined struct{ Peer *Peer }

// Left tells of a peer that is gone, with its channels.
type Left struct {
	Peer   *Peer
	Reason Reason
}

// Changed tells that a peer's name, meta, presence, state or path is another.
type Changed struct{ Peer *Peer }

// LinkChanged tells which kind of link to the server is in use now; Auto: none, and one is being looked for.
type LinkChanged struct{ Link client.Link }

// Fault tells of something that went wrong with a peer, or with a room if Peer is nil. The room goes on.
type Fault struct {
	Peer *Peer
	Err  error
}

// Ended tells that the session is over for the reason Err. Connections that live go on, unless somebody else is this
// peer now, or it was told to go.
type Ended struct{ Err error }

func (Joined) event()      {}
func (Left) event()        {}
func (Changed) event()     {}
func (LinkChanged) event() {}
func (Fault) event()       {}
func (Ended) event()       {}

// Reason is why a peer is gone.
type Reason string

// The reasons: what the server said, and what happened here.
const (
	ByLeaving   Reason = "leave"
	Lost        Reason = "lost"        // the server did not hear from it
	Slow        Reason = "slow"        // it did not read what the server had for it
	Kicked      Reason = "kicked"      // the operator's doing
	Replaced    Reason = "replaced"    // another process took its place under the same id
	Unreachable Reason = "unreachable" // its connection died, and the server could not or did not list it
)

// bulletin holds the events that were not read yet. It is bounded by the peers there are: what an event makes
// pointless is left out.
type bulletin struct{ events []Event }

// faultMost is how many faults wait; the oldest is dropped for a newer one.
const faultMost = 64

func (b *bulletin) add(e Event) {
	switch e := e.(type) {
	case Changed:
		for _, o := range b.events {
			if o == Event(e) || o == Event(Joined(e)) {
				return // who reads that one sees the peer as it is
			}
		}
	case Left:
		known := true
		b.drop(func(o Event) bool {
			switch o := o.(type) {
			case Joined:
				if o.Peer == e.Peer {
					known = false
					return true
				}
			case Changed:
				return o.Peer == e.Peer
			}
			return false
		})
		if !known {
			return
		}
	case LinkChanged:
		b.drop(func(o Event) bool { _, is := o.(LinkChanged); return is })
	case Fault:
		b.limitFaults()
	}
	b.events = append(b.events, e)
}

func (b *bulletin) limitFaults() {
	faults := 0
	for _, o := range b.events {
		if _, is := o.(Fault); is {
			faults++
		}
	}
	b.drop(func(o Event) bool {
		_, is := o.(Fault)
		is = is && faults >= faultMost
		if is {
			faults--
		}
		return is
	})
}

func (b *bulletin) drop(is func(Event) bool) {
	kept := b.events[:0]
	for _, e := range b.events {
		if !is(e) {
			kept = append(kept, e)
		}
	}
	clear(b.events[len(kept):])
	b.events = kept
}
