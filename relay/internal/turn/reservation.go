package turn

import (
	"sync"
	"time"
)

// reservationLife is how long a port is kept for the one who has its token (RFC 8656 section 7.2:
// at least 30 seconds).
const reservationLife = 30 * time.Second

// token is the value of RESERVATION-TOKEN.
type token [8]byte

// reservation is a port kept beside an allocation's. It counts against its maker's quota.
type reservation struct {
	token   token
	kept    Kept
	family  Family
	user    string
	source  [16]byte
	expires time.Time
}

// reservations are those of all engines of a relay.
type reservations struct {
	mu      sync.Mutex
	byToken map[token]*reservation // guarded by mu
}

// add gives a reservation a token that nobody can guess.
func (rs *reservations) add(r *reservation) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for {
		random(r.token[:])
		if rs.byToken[r.token] == nil {
			rs.byToken[r.token] = r
			return
		}
	}
}

// take removes and returns the reservation with a token, or nil.
func (rs *reservations) take(t token, now time.Time) *reservation {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.byToken[t]
	if r == nil || !now.Before(r.expires) {
		return nil
	}
	delete(rs.byToken, t)
	return r
}

// expire removes a reservation and reports whether it was still there.
func (rs *reservations) expire(r *reservation) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	found := rs.byToken[r.token] == r
	if found {
		delete(rs.byToken, r.token)
	}
	return found
}

// reserve keeps the port next to an allocation's for the one who presents the token.
func (e *Engine) reserve(a *allocation, f Family, k Kept, now time.Time) {
	r := &reservation{kept: k, family: f, user: a.user, source: a.source, expires: now.Add(reservationLife)}
	e.shared.kept.add(r)
	a.token, a.reserved = r.token, true
	e.reserved = append(e.reserved, r)
}

// expireReservations gives back ports that nobody claimed in time.
func (e *Engine) expireReservations(now time.Time) {
	for len(e.reserved) > 0 && !now.Before(e.reserved[0].expires) {
		if r := e.reserved[0]; e.shared.kept.expire(r) {
			r.kept.Release()
			e.shared.quota.leave(r.user, r.source, 1)
		}
		e.reserved[0] = nil
		e.reserved = e.reserved[1:]
	}
}
