package memory

import (
	"cmp"
	"crypto/subtle"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

// member is one session of a room, guarded by the room's lock. An ended one is
// kept as its own tombstone, without its mailbox.
type member struct {
	session    string
	secret     [32]byte // hash
	salt       []byte
	subject    string
	address    string
	deny       store.Deny
	attempt    [32]byte  // hash
	body       [32]byte  // hash
	repeatable time.Time // until then the attempt returns this session
	resumes    [32]byte  // hash of the secret that made this session take over, if resumed
	resumed    bool
	used       bool // somebody has proved the secret since the join

	peer     store.Peer
	received int64     // uplink
	paid     time.Time // the account of what it sent
	mail     mailbox
	fence    int64 // the number of the link in use
	links    int64 // the last number given to a link
	linked   bool
	leaving  bool      // softly
	kind     string    // of the link in use, or the last one that was
	polls    bool      // the link in use polls
	turn     int64     // the last poll's
	renewed  time.Time // the lease, last
	active   time.Time // when a frame came or went last
	away     time.Time // to be shown as away then; zero: not
	gone     time.Time // to be ended then; of an ended one: to be forgotten
	expires  time.Time // to be ended then, whatever its links; zero: not

	ended    string // code; "": live
	watchers []*watcher
	awake    bool // it is among those that the room wakes
}

type watcher struct{ wake func() }

func (m *member) proves(hash [32]byte) bool {
	return subtle.ConstantTimeCompare(m.secret[:], hash[:]) == 1
}

// renew lets a linked session live for another lease.
func (r *room) renew(m *member) {
	m.renewed = r.now
	end := r.now.Add(r.rules.Lease)
	gone := end.Add(r.rules.Left)
	if m.polls {
		gone = r.now.Add(r.rules.Polling)
	}
	r.schedule(m, end, gone)
	from := ""
	if m.leaving {
		from = m.peer.ID
	}
	m.leaving = false
	r.show(m, store.Here, from)
}

// leaveSoftly has a session end soon unless its client comes back. Who leaves and comes back again and again could
// fill the mailboxes of the others with it: both count as sent by the peer, and leaving is not shown where a peer's
// frame has no place.
func (r *room) leaveSoftly(m *member) {
	m.linked = false // the page is going: its link no longer renews
	m.leaving = true
	r.schedule(m, time.Time{}, r.now.Add(r.rules.Leaving))
	if r.fitsOthers(m, presence(m, store.Leaving, m.peer.ID)) {
		r.show(m, store.Leaving, m.peer.ID)
	}
}

// show tells the others how a session is now. From is whom the frame counts to, "" the server.
func (r *room) show(m *member, p store.Presence, from string) {
	if m.peer.Presence == p {
		return
	}
	m.peer.Presence = p
	r.tell(m, presence(m, p, from))
}

func presence(m *member, p store.Presence, from string) store.Frame {
	return store.Frame{Kind: store.Changed, From: from, Peer: &store.Peer{ID: m.peer.ID, Epoch: m.peer.Epoch, Presence: p}}
}

// end ends a session and tells the others.
func (r *room) end(m *member, code string) {
	reason := code
	switch code {
	case store.CodeLeft:
		reason = "leave"
	case store.CodeLost, store.CodeSlow, store.CodeKicked:
	default:
		reason = store.CodeKicked
	}
	r.bury(m, cmp.Or(code, store.CodeKicked))
	r.tell(m, store.Frame{Kind: store.LeftRoom, Peer: &store.Peer{ID: m.peer.ID, Epoch: m.peer.Epoch}, Reason: reason})
}

// bury ends a session without a word to the others.
func (r *room) bury(m *member, code string) {
	m.ended = code
	m.mail = mailbox{}
	m.peer.Name, m.peer.Meta = "", nil
	m.linked = false
	m.links++
	m.fence = m.links // every link is an older one now
	if r.peers[m.peer.ID] == m {
		delete(r.peers, m.peer.ID)
	}
	r.wake(m)
	r.ended = append(r.ended, m)
	r.schedule(m, time.Time{}, r.now.Add(r.rules.Tombstone))
	if len(r.ended) > maxEnded {
		r.forget(r.ended[0])
		r.ended = r.ended[1:]
	}
}

func (r *room) forget(m *member) {
	delete(r.sessions, m.session)
}

func (r *room) wake(m *member) {
	if !m.awake && len(m.watchers) > 0 {
		m.awake = true
		r.awake = append(r.awake, m)
	}
}

// takeWakes appends what is to be called after the step.
func (r *room) takeWakes(wakes []func()) []func() {
	for i, m := range r.awake {
		m.awake = false
		r.awake[i] = nil
		for _, w := range m.watchers {
			wakes = append(wakes, w.wake)
		}
	}
	if r.awake = r.awake[:0]; cap(r.awake) > 64 {
		r.awake = nil
	}
	return wakes
}

// schedule sets when a session is to be shown as away, and when it is gone.
func (r *room) schedule(m *member, away, gone time.Time) {
	m.away, m.gone = away, gone
	r.sooner(away)
	r.sooner(gone)
}

// expireIn sets when a session ends whatever its links; 0: never.
func (r *room) expireIn(m *member, in time.Duration) {
	m.expires = time.Time{}
	if in > 0 {
		m.expires = r.now.Add(in)
		r.sooner(m.expires)
	}
}

func (r *room) sooner(t time.Time) {
	if !t.IsZero() && (r.due.IsZero() || t.Before(r.due)) {
		r.due = t
	}
}

// nextDue is how long from now something may be due; 0: nothing is.
func (r *room) nextDue() store.Due {
	if r.due.IsZero() {
		return 0
	}
	return max(r.due.Sub(r.now), time.Millisecond)
}

// settle ends the sessions that had no place for a frame about the roster. Their
// ends are frames about the roster, too.
func (r *room) settle() {
	for len(r.overfull) > 0 {
		m := r.overfull[0]
		r.overfull = r.overfull[1:]
		if m.ended == "" {
			r.end(m, store.CodeSlow)
		}
	}
	r.overfull = nil
}

// expire does what is due by now.
func (r *room) expire() {
	if r.due.IsZero() || r.now.Before(r.due) {
		return
	}
	for _, m := range r.peers {
		switch {
		case !m.expires.IsZero() && !r.now.Before(m.expires):
			r.end(m, store.CodeExpired)
		case !r.now.Before(m.gone):
			code := store.CodeLost
			if m.leaving {
				code = store.CodeLeft
			}
			r.end(m, code)
		case !m.away.IsZero() && !r.now.Before(m.away):
			m.away = time.Time{}
			r.show(m, store.Away, "")
		}
	}
	for len(r.ended) > 0 && !r.now.Before(r.ended[0].gone) {
		r.forget(r.ended[0])
		r.ended = r.ended[1:]
	}
	for key, until := range r.posted {
		if !r.now.Before(until) {
			delete(r.posted, key)
		}
	}
	r.settle()

	r.due = time.Time{}
	for _, m := range r.peers {
		r.sooner(m.away)
		r.sooner(m.gone)
		r.sooner(m.expires)
	}
	if len(r.ended) > 0 {
		r.sooner(r.ended[0].gone)
	}
	for _, until := range r.posted {
		r.sooner(until)
	}
}
