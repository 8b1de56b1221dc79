package turn

import (
	"errors"
	"time"

	"github.com/pion/stun/v3"
)

// allocate handles an authenticated Allocate request, RFC 8656 section 7.2.
func (e *Engine) allocate(r *request) {
	if a := r.alloc; a != nil {
		if a.id == r.msg.TransactionID && a.username == r.username {
			e.answerAllocate(r, a) // the answer was lost
			return
		}
		e.refuse(r, stun.CodeAllocMismatch, RefusedSecond)
		return
	}
	w, code, why := e.parseAllocate(r)
	switch {
	case code == stun.CodeUnknownAttribute:
		e.refuseUnknown(r, []stun.AttrType{stun.AttrDontFragment})
		return
	case code != 0:
		e.refuse(r, code, why)
		return
	}
	if e.shared.draining.Load() {
		e.redirect(r)
		return
	}
	n := 1
	if w.pair {
		n = 2 // the port that is kept, too
	}
	user, from := r.account.User, source(r.client.Addr.Addr())
	if why := e.shared.quota.enter(user, from, n); why != 0 {
		code := stun.CodeAllocQuotaReached
		if why == RefusedCapacity {
			code = stun.CodeInsufficientCapacity
		}
		e.refuse(r, code, why)
		return
	}
	a := e.newAllocation(r, w)
	if code, why := e.openRelays(a, w, r.now); code != 0 {
		e.shared.quota.leave(user, from, n)
		e.refuse(r, code, why)
		return
	}
	e.allocations[a.key] = a
	e.plan(a)
	e.shared.quota.begun()
	a.allowance = e.cfg.Limit.Enter(a.client.Addr.Addr(), r.now)
	e.counters.Allocated++
	e.counters.AllocatedBy[a.client.Transport]++
	a.serial = e.shared.serial.Add(1)
	e.cfg.Began(a.info())
	e.answerAllocate(r, a)
}

func (e *Engine) newAllocation(r *request, w asked) *allocation {
	a := &allocation{
		client:   r.client,
		key:      r.key,
		id:       r.msg.TransactionID,
		username: r.username,
		user:     r.account.User,
		source:   source(r.client.Addr.Addr()),
		began:    r.now,
		ends:     r.now.Add(e.cfg.MaxSession),
		stream:   w.stream,
		draft:    w.draft,
		index:    -1,
	}
	if expires := r.account.Expires; e.cfg.StrictExpiry && !expires.IsZero() && expires.Before(a.ends) {
		a.ends = expires
	}
	return a
}

// until returns when something that is to live so long ends.
func (a *allocation) until(now time.Time, lifetime time.Duration) time.Time {
	at := now.Add(lifetime)
	if at.After(a.ends) {
		return a.ends
	}
	return at
}

// openRelays opens what was asked for. On failure nothing is left open.
func (e *Engine) openRelays(a *allocation, w asked, now time.Time) (stun.ErrorCode, Refusal) {
	expires := a.until(now, w.lifetime)
	if w.token != nil {
		return e.claim(a, token(w.token), now, expires)
	}
	if !w.dual {
		kept, err := e.open(a, w, w.family, expires)
		if err != nil {
			return refusalOf(err)
		}
		if w.pair {
			e.reserve(a, w.family, kept, now)
		}
		return 0, 0
	}
	_, err4 := e.open(a, w, IPv4, expires)
	_, err6 := e.open(a, w, IPv6, expires)
	switch {
	case err4 != nil && err6 != nil:
		return refusalOf(err4)
	case err4 != nil:
		a.half = IPv4
	case err6 != nil:
		a.half = IPv6
	}
	if err := errors.Join(err4, err6); err != nil {
		code, _ := refusalOf(err)
		a.halfCode = int(code)
	}
	return 0, 0
}

// refusalOf returns the answer when a relay cannot be opened.
func refusalOf(err error) (stun.ErrorCode, Refusal) {
	if errors.Is(err, errFamily) {
		return stun.CodeAddrFamilyNotSupported, RefusedFamily
	}
	return stun.CodeInsufficientCapacity, RefusedNoPort
}

// answerAllocate sends the success response, from what the allocation knows: it is the same when the
// request is repeated.
func (e *Engine) answerAllocate(r *request, a *allocation) {
	e.begin(r, stun.ClassSuccessResponse)
	for _, relay := range a.relays {
		if relay != nil {
			e.addXored(stun.AttrXORRelayedAddress, relay.relayed)
		}
	}
	e.addLifetime(a.expires().Sub(r.now))
	if a.reserved {
		e.out.Add(stun.AttrReservationToken, a.token[:])
	}
	if a.half != 0 {
		attribute := attrAddressErrorCode
		if a.draft {
			attribute = attrAddressErrorCodeDraft
		}
		e.out.Add(attribute, append(e.scratch[:0], byte(a.half), 0, byte(a.halfCode/100), byte(a.halfCode%100)))
	}
	e.addXored(stun.AttrXORMappedAddress, r.client.Addr)
	e.finish(r)
}

// redirect refuses an Allocate while the relay drains: 300 if there is another to go to, RFC 8489
// section 10.
func (e *Engine) redirect(r *request) {
	if e.cfg.Alternate != nil {
		server, domain, ok := e.cfg.Alternate(r.client)
		if ok && familyOf(server.Addr()) == familyOf(r.client.Addr.Addr()) {
			e.counters.RefusalsBy[RefusedDraining]++
			e.beginError(r, stun.CodeTryAlternate)
			e.out.Add(stun.AttrAlternateServer, appendPlain(e.scratch[:0], server))
			if domain != "" && (r.client.Transport == TLS || r.client.Transport == DTLS) {
				e.out.Add(stun.AttrAlternateDomain, []byte(domain))
			}
			e.finish(r)
			return
		}
	}
	e.refuse(r, stun.CodeInsufficientCapacity, RefusedDraining)
}
