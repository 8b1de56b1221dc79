package turn

import (
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// Lifetimes, RFC 8656 sections 3.2, 9 and 12.
const (
	minLifetime    = 600 * time.Second
	maxLifetime    = 3600 * time.Second
	permissionLife = 300 * time.Second
	channelLife    = 600 * time.Second
)

// allocation is what a client has at the relay (RFC 8656 section 6).
type allocation struct {
	client   Client
	key      tuple
	id       [12]byte // transaction that made it
	serial   uint64   // it is so many-th of its relay
	username string
	user     string
	source   [16]byte
	began    time.Time
	ends     time.Time // no refresh goes beyond
	stream   bool      // a TCP allocation

	relays   [2]*Relay // by family, nil where there is none
	half     Family    // of a dual allocation, the family that could not be had; else 0
	halfCode int       // and why
	draft    bool      // it was asked for by the attribute's old number
	token    token
	reserved bool // token is set

	permissions map[[16]byte]*permission
	channels    map[uint16]*channel
	bound       map[peerKey]*channel
	conns       map[peerKey]*connection
	sweep       time.Time // when something of these may expire first; zero: not before a relay

	paid      gate           // for bits per second
	allowance *policy.Bucket // of its address; nil: no limit
	newPeers  gate
	toPeers   Flow
	fromPeer  Flow

	due    time.Time // for the schedule
	index  int       // in the schedule; -1: not there
	denied bool      // its client's last request was not by a known user, or with a wrong password
	ended  bool
}

// Info describes an allocation.
type Info struct {
	Serial    uint64 // grows from one allocation of a relay to the next
	Client    Client
	Username  string
	User      string
	Relayed   [2]netip.AddrPort // IPv4, IPv6; zero where there is none
	TCP       bool
	Began     time.Time
	Expires   time.Time
	End       End // 0: it lives
	ToPeers   Flow
	FromPeers Flow
}

func (a *allocation) info() Info {
	i := Info{
		Serial: a.serial, Client: a.client, Username: a.username, User: a.user, TCP: a.stream, Began: a.began, Expires: a.expires(),
		ToPeers: a.toPeers, FromPeers: a.fromPeer,
	}
	for n, r := range a.relays {
		if r != nil {
			i.Relayed[n] = r.relayed
		}
	}
	return i
}

// relay returns the relay of a family, or nil.
func (a *allocation) relay(f Family) *Relay { return a.relays[f-1] }

// expires returns when the last of its relays does.
func (a *allocation) expires() time.Time {
	var last time.Time
	for _, r := range a.relays {
		if r != nil && r.expires.After(last) {
			last = r.expires
		}
	}
	return last
}

// plan sets when the allocation must be looked at next.
func (e *Engine) plan(a *allocation) {
	due := a.sweep
	for _, r := range a.relays {
		if r != nil && (due.IsZero() || r.expires.Before(due)) {
			due = r.expires
		}
	}
	e.schedule.set(a, due)
}

// watch makes sure that the allocation is looked at when something of it expires.
func (e *Engine) watch(a *allocation, at time.Time) {
	if a.sweep.IsZero() || at.Before(a.sweep) {
		a.sweep = at
		e.plan(a)
	}
}

// tick lets expire what is due.
func (e *Engine) tick(a *allocation, now time.Time) {
	if !now.Before(a.expires()) {
		e.end(a, a.expiry(now))
		return
	}
	for _, r := range a.relays {
		if r != nil && !now.Before(r.expires) {
			e.closeRelay(r)
		}
	}
	e.sweepIfDue(a, now)
	e.plan(a)
}

// sweepIfDue makes room where something has expired.
func (e *Engine) sweepIfDue(a *allocation, now time.Time) {
	if !a.sweep.IsZero() && !now.Before(a.sweep) {
		e.sweepAllocation(a, now)
		e.plan(a)
	}
}

// sweepAllocation forgets what has expired and finds out when something will.
func (e *Engine) sweepAllocation(a *allocation, now time.Time) {
	var next time.Time
	soonest := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, c := range a.channels {
		if now.Before(c.expires) {
			soonest(c.expires)
		} else {
			a.unbind(c)
		}
	}
	for key, p := range a.permissions {
		switch {
		case now.Before(p.expires):
			soonest(p.expires)
		case p.channels == 0: // a channel's ends with the channel at the latest
			delete(a.permissions, key)
		}
	}
	for _, c := range a.conns {
		if e.expireConnection(a, c, now) {
			soonest(c.deadline)
		}
	}
	a.sweep = next
}

// end ends an allocation.
func (e *Engine) end(a *allocation, why End) {
	if a.ended {
		return
	}
	a.ended = true
	info := a.info()
	info.End = why
	for _, r := range a.relays {
		if r != nil {
			e.closeRelay(r)
		}
	}
	a.permissions, a.channels, a.bound = nil, nil, nil
	delete(e.allocations, a.key)
	e.schedule.remove(a)
	e.shared.quota.leave(a.user, a.source, 1)
	e.shared.quota.ended()
	e.counters.EndedBy[a.client.Transport]++
	a.allowance.Leave()
	e.cfg.Ended(info)
}
