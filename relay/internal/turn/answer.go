package turn

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// begin starts the answer to a request.
func (e *Engine) begin(r *request, class stun.MessageClass) {
	e.beginAs(r.msg.TransactionID, r.msg.Type.Method, class)
}

func (e *Engine) beginAs(id [12]byte, method stun.Method, class stun.MessageClass) {
	e.out.Reset()
	e.out.TransactionID = id
	e.out.Type = stun.NewType(method, class)
	e.out.WriteHeader()
}

// beginError starts an error response. The reason phrase stays empty: nobody reads it, and answers
// to strangers must be small.
func (e *Engine) beginError(r *request, code stun.ErrorCode) {
	e.begin(r, stun.ClassErrorResponse)
	e.out.Add(stun.AttrErrorCode, append(e.scratch[:0], 0, 0, byte(code/100), byte(code%100)))
}

// finish signs the answer if the request was, and sends it.
func (e *Engine) finish(r *request) {
	if r.signer.key != nil {
		r.signer.how.addTo(e.out, r.signer.key)
	}
	if r.msg.Contains(stun.AttrFingerprint) {
		_ = stun.Fingerprint.AddTo(e.out) // never fails
	}
	e.sink.ToClient(r.client, Packet{Head: e.out.Raw})
}

// refuse answers a request of an authenticated client with an error.
func (e *Engine) refuse(r *request, code stun.ErrorCode, why Refusal) {
	e.counters.RefusalsBy[why]++
	e.beginError(r, code)
	e.finish(r)
}

// refuseUnknown answers a request with attributes that are not understood (RFC 8489 section 6.3.1).
func (e *Engine) refuseUnknown(r *request, unknown []stun.AttrType) {
	e.counters.RefusalsBy[RefusedUnknown]++
	e.beginError(r, stun.CodeUnknownAttribute)
	value := e.scratch[:0]
	for _, t := range unknown {
		value = binary.BigEndian.AppendUint16(value, uint16(t))
	}
	e.out.Add(stun.AttrUnknownAttributes, value)
	e.finish(r)
}

// succeed answers a request with success and nothing to say.
func (e *Engine) succeed(r *request) {
	e.begin(r, stun.ClassSuccessResponse)
	e.finish(r)
}

func (e *Engine) addXored(t stun.AttrType, addr netip.AddrPort) {
	e.out.Add(t, appendXored(e.scratch[:0], e.out.Raw, addr))
}

// addLifetime adds LIFETIME: the whole seconds left, at least 1 while anything is.
func (e *Engine) addLifetime(left time.Duration) {
	seconds := left / time.Second
	if left > 0 && seconds == 0 {
		seconds = 1
	}
	e.out.Add(stun.AttrLifetime, binary.BigEndian.AppendUint32(e.scratch[:0], uint32(seconds)))
}
