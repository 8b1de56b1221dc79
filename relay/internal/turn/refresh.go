package turn

import (
	"github.com/pion/stun/v3"
)

// refresh handles a Refresh request, RFC 8656 section 8.2.
func (e *Engine) refresh(r *request) {
	a := r.alloc
	lifetime, ok := requestedLifetime(r.msg)
	family, err := r.msg.Get(stun.AttrRequestedAddressFamily)
	one := err == nil
	switch {
	case !ok, one && len(family) != 4:
		e.refuse(r, stun.CodeBadRequest, RefusedMalformed)
		return
	case one && (family[0] != byte(IPv4) && family[0] != byte(IPv6) || a.relay(Family(family[0])) == nil):
		e.refuse(r, stun.CodePeerAddrFamilyMismatch, RefusedFamily)
		return
	}
	if lifetime > 0 {
		lifetime = max(lifetime, minLifetime)
	}
	expires := a.until(r.now, lifetime)
	for _, relay := range a.relays {
		if relay != nil && (!one || relay.family == Family(family[0])) {
			relay.expires = expires
		}
	}
	if lifetime == 0 && !r.now.Before(a.expires()) {
		e.end(a, EndedByClient)
	} else {
		e.tick(a, r.now) // ends what lives no longer
	}
	e.begin(r, stun.ClassSuccessResponse)
	e.addLifetime(expires.Sub(r.now))
	e.finish(r)
}
