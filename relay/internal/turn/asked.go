package turn

import (
	"encoding/binary"
	"time"

	"github.com/pion/stun/v3"
)

// Protocol numbers in REQUESTED-TRANSPORT, RFC 8656 section 18.8 and RFC 6062 section 4.1.
const (
	protocolTCP = 6
	protocolUDP = 17
)

// asked is what an Allocate request asks for.
type asked struct {
	stream   bool // TCP
	family   Family
	dual     bool // IPv4 and IPv6
	draft    bool // by the attribute's old number
	even     bool
	pair     bool
	token    []byte
	lifetime time.Duration
}

// parseAllocate checks the attributes of an Allocate request in the order of RFC 8656 section 7.2.
func (e *Engine) parseAllocate(r *request) (w asked, code stun.ErrorCode, why Refusal) {
	transport, err := r.msg.Get(stun.AttrRequestedTransport)
	switch {
	case err != nil || len(transport) != 4:
		return w, stun.CodeBadRequest, RefusedMalformed
	case transport[0] == protocolTCP && e.cfg.TCP:
		w.stream = true
	case transport[0] != protocolUDP:
		return w, stun.CodeUnsupportedTransProto, RefusedTransport
	}
	even, evenErr := r.msg.Get(stun.AttrEvenPort)
	w.even = evenErr == nil
	token, tokenErr := r.msg.Get(stun.AttrReservationToken)
	family, familyErr := r.msg.Get(stun.AttrRequestedAddressFamily)
	additional, additionalErr := r.msg.Get(attrAdditionalAddressFamily)
	if additionalErr != nil {
		additional, additionalErr = r.msg.Get(attrAdditionalAddressFamilyDraft)
		w.draft = additionalErr == nil
	}
	fragment := r.msg.Contains(stun.AttrDontFragment)
	lifetime, ok := requestedLifetime(r.msg)
	switch {
	case w.stream && (!r.client.Transport.Stream() || w.even || tokenErr == nil || fragment): // RFC 6062 section 5.1
		return w, stun.CodeBadRequest, RefusedMalformed
	case fragment && !e.cfg.DontFragment:
		return w, stun.CodeUnknownAttribute, RefusedUnknown
	case !ok,
		w.even && len(even) != 1,
		tokenErr == nil && (len(token) != 8 || w.even || familyErr == nil || additionalErr == nil),
		familyErr == nil && (len(family) != 4 || additionalErr == nil),
		additionalErr == nil && (len(additional) != 4 || additional[0] != byte(IPv6)):
		return w, stun.CodeBadRequest, RefusedMalformed
	}
	w.pair = w.even && even[0]&0x80 != 0
	w.dual = additionalErr == nil
	if w.pair && w.dual {
		return w, stun.CodeBadRequest, RefusedMalformed
	}
	if tokenErr == nil {
		w.token = token
	}
	w.lifetime = max(lifetime, minLifetime) // 0 means nothing special here
	w.family = IPv4
	if e.cfg.KeepFamily && familyOf(r.client.Addr.Addr()) == IPv6 {
		w.family = IPv6
	}
	if familyErr == nil {
		w.family = Family(family[0])
	}
	if w.dual {
		w.family = IPv4
	}
	if tokenErr != nil && !w.dual && !e.relays(w.family) {
		return w, stun.CodeAddrFamilyNotSupported, RefusedFamily
	}
	return w, 0, 0
}

// relays reports whether a family is relayed here.
func (e *Engine) relays(f Family) bool {
	return f == IPv4 && !e.cfg.NoIPv4 || f == IPv6 && !e.cfg.NoIPv6
}

// requestedLifetime returns the value of LIFETIME, at most an hour, 600 s if there is none, and
// false if it is malformed.
func requestedLifetime(m *stun.Message) (time.Duration, bool) {
	value, err := m.Get(stun.AttrLifetime)
	if err != nil {
		return minLifetime, true
	}
	if len(value) != 4 {
		return 0, false
	}
	seconds := binary.BigEndian.Uint32(value)
	return min(time.Duration(seconds)*time.Second, maxLifetime), true
}
