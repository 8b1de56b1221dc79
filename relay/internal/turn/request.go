package turn

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/pion/stun/v3"
)

// Attributes of RFC 8656 that the codec does not name.
const (
	attrAdditionalAddressFamily stun.AttrType = 0x8000
	attrAddressErrorCode        stun.AttrType = 0x8001
	attrICMP                    stun.AttrType = 0x8004
)

// Numbers of the first two in the drafts, which coturn's client still uses.
const (
	attrAdditionalAddressFamilyDraft stun.AttrType = 0x8032
	attrAddressErrorCodeDraft        stun.AttrType = 0x8033
)

// understood are the comprehension-required attributes that are known here, bit by bit; all of them
// are below 64.
const understood = uint64(1)<<stun.AttrMappedAddress | 1<<stun.AttrUsername | 1<<stun.AttrMessageIntegrity |
	1<<stun.AttrErrorCode | 1<<stun.AttrUnknownAttributes | 1<<stun.AttrChannelNumber | 1<<stun.AttrLifetime |
	1<<stun.AttrXORPeerAddress | 1<<stun.AttrData | 1<<stun.AttrRealm | 1<<stun.AttrNonce |
	1<<stun.AttrXORRelayedAddress | 1<<stun.AttrRequestedAddressFamily | 1<<stun.AttrEvenPort |
	1<<stun.AttrRequestedTransport | 1<<stun.AttrDontFragment | 1<<stun.AttrMessageIntegritySHA256 |
	1<<stun.AttrPasswordAlgorithm | 1<<stun.AttrUserhash | 1<<stun.AttrXORMappedAddress |
	1<<stun.AttrReservationToken | 1<<stun.AttrConnectionID

// isUnderstood reports whether a message with this attribute can be processed.
func isUnderstood(t stun.AttrType) bool {
	return t.Optional() || t < 64 && understood>>t&1 == 1
}

// request is a request that is being handled.
type request struct {
	now    time.Time
	client Client
	key    tuple
	msg    *stun.Message
	alloc  *allocation // of the five-tuple, or nil

	proven   bool // the client gets what is sent to it
	username string
	account  Account
	signer   signer
}

// signer signs answers the way their request was.
type signer struct {
	key []byte // nil: not at all
	how integrity
}

// message handles a packet that begins like a STUN message.
func (e *Engine) message(now time.Time, c Client, p []byte) Effect {
	if !wellFormed(p) {
		e.drop(DroppedMalformed)
		return Effect{Hangup: c.Transport.Stream()}
	}
	if !fingerprinted(p) {
		e.drop(DroppedFingerprint)
		return Effect{}
	}
	if kind := binary.BigEndian.Uint16(p); kind == typeSend {
		e.send(now, c, p)
		return Effect{}
	}
	msg := e.in
	msg.Raw = p[:len(p):len(p)]
	if err := msg.Decode(); err != nil {
		e.drop(DroppedMalformed)
		return Effect{Hangup: c.Transport.Stream()}
	}
	if msg.Type.Class == stun.ClassIndication && msg.Type.Method == stun.MethodBinding {
		return Effect{} // a keep-alive: there is nothing to do
	}
	if msg.Type.Class != stun.ClassRequest {
		e.drop(DroppedMethod)
		return Effect{}
	}
	r := &request{now: now, client: c, key: c.tuple(), msg: msg, proven: c.Transport != UDP}
	return e.request(r)
}

// request handles a request: RFC 8489 section 6.3.1, then what its method says.
func (e *Engine) request(r *request) Effect {
	switch r.msg.Type.Method {
	case stun.MethodBinding:
		e.binding(r)
		return Effect{}
	case stun.MethodAllocate, stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind,
		stun.MethodConnect, stun.MethodConnectionBind:
	default:
		e.drop(DroppedMethod)
		return Effect{}
	}
	r.alloc = e.live(r.key, r.now)
	if !e.authenticate(r) {
		return Effect{}
	}
	effect := Effect{Authenticated: true}
	if unknown := e.unknownAttributes(r.msg); len(unknown) > 0 {
		e.refuseUnknown(r, unknown)
		return effect
	}
	method := r.msg.Type.Method
	if method == stun.MethodAllocate {
		e.allocate(r)
		return effect
	}
	if method == stun.MethodConnectionBind {
		return e.connectionBind(r)
	}
	if r.alloc == nil {
		e.refuse(r, stun.CodeAllocMismatch, RefusedNoAllocation)
		return effect
	}
	if r.alloc.username != r.username {
		e.refuse(r, stun.CodeWrongCredentials, RefusedOtherUser)
		return effect
	}
	switch method {
	case stun.MethodRefresh:
		e.refresh(r)
	case stun.MethodCreatePermission:
		e.createPermission(r)
	case stun.MethodChannelBind:
		e.channelBind(r)
	case stun.MethodConnect:
		e.connect(r)
	}
	return effect
}

// binding answers a Binding request, RFC 8489 section 6.3.1.
func (e *Engine) binding(r *request) {
	if !e.mayAnswer(r) {
		return
	}
	if unknown := e.unknownAttributes(r.msg); len(unknown) > 0 {
		e.refuseUnknown(r, unknown)
		return
	}
	e.counters.Bindings++
	e.begin(r, stun.ClassSuccessResponse)
	e.addXored(stun.AttrXORMappedAddress, r.client.Addr)
	e.finish(r)
}

// wellFormed reports whether p is one STUN message and nothing else, whose attributes fill it.
func wellFormed(p []byte) bool {
	if len(p) < headerSize || len(p)&3 != 0 || int(binary.BigEndian.Uint16(p[2:])) != len(p)-headerSize ||
		binary.BigEndian.Uint32(p[4:]) != cookie {
		return false
	}
	at := headerSize
	for at+attributeSize <= len(p) {
		at += attributeSize + padded(int(binary.BigEndian.Uint16(p[at+2:])))
	}
	return at == len(p)
}

// fingerprinted reports whether FINGERPRINT is right, if it is there; then it is the last attribute
// (RFC 8489 section 14.7).
func fingerprinted(p []byte) bool {
	end, value := find(p, stun.AttrFingerprint)
	if value == nil {
		return true
	}
	return len(value) == 4 && end+attributeSize+4 == len(p) &&
		binary.BigEndian.Uint32(value) == crc32.ChecksumIEEE(p[:end])^0x5354554e
}

// maxUnknown is how many attributes an answer names.
const maxUnknown = 16

// unknownAttributes returns the comprehension-required attributes that are not known here, until it is called again.
func (e *Engine) unknownAttributes(m *stun.Message) []stun.AttrType {
	unknown := e.unknown[:0]
	for _, a := range m.Attributes {
		if !isUnderstood(a.Type) && len(unknown) < maxUnknown {
			unknown = append(unknown, a.Type)
		}
	}
	return unknown
}
