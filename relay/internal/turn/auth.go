package turn

import (
	"bytes"
	"crypto/rand"

	"github.com/pion/stun/v3"
)

const (
	maxUsername = 508 // bytes, RFC 8489 section 14.3
	maxRealm    = 127 // characters, here bytes, so that challenges stay small
)

// nobody is the password of unknown users, so that checking takes them as long as others.
var nobody = rand.Text()

// authenticate does the long-term credential mechanism of RFC 8489 section 9.2.4. It reports whether
// the request may be processed; if not, it has been answered or dropped.
func (e *Engine) authenticate(r *request) bool {
	signed := r.msg.Contains(stun.AttrMessageIntegrity) || r.msg.Contains(stun.AttrMessageIntegritySHA256)
	if !signed {
		e.stranger(r)
		return false
	}
	_, named := r.msg.Attributes.Get(stun.AttrUsername)
	_, hashed := r.msg.Attributes.Get(stun.AttrUserhash)
	realm, hasRealm := r.msg.Attributes.Get(stun.AttrRealm)
	nonce, hasNonce := r.msg.Attributes.Get(stun.AttrNonce)
	if !named && !hashed || !hasRealm || !hasNonce {
		return e.unsigned(r, stun.CodeBadRequest, RefusedMalformed)
	}
	if !e.nonces.valid(nonce.Value, r.now, r.client.Addr.Addr()) {
		return e.unsigned(r, stun.CodeStaleNonce, RefusedStaleNonce)
	}
	r.proven = true
	chosen, ok := chosenAlgorithm(r.msg)
	if !ok {
		return e.unsigned(r, stun.CodeBadRequest, RefusedMalformed)
	}
	if !e.identify(r, chosen, string(realm.Value)) {
		e.counters.AuthFailures++
		if r.alloc != nil {
			r.alloc.denied = true
		}
		return e.unsigned(r, stun.CodeUnauthorized, RefusedUser)
	}
	if r.alloc != nil {
		r.alloc.denied = false
	}
	if e.shared.isRevoked(r.account.User, r.now) {
		return e.unsigned(r, stun.CodeUnauthorized, RefusedRevoked)
	}
	expired := !r.account.Expires.IsZero() && !r.now.Before(r.account.Expires)
	if expired && r.alloc == nil && r.msg.Type.Method == stun.MethodAllocate {
		return e.unsigned(r, stun.CodeUnauthorized, RefusedExpired)
	}
	return true
}

// stranger answers a request that is not signed. A five-tuple that has nothing here is challenged
// only if it asks for something.
func (e *Engine) stranger(r *request) {
	if nonce, err := r.msg.Get(stun.AttrNonce); err == nil && e.nonces.valid(nonce, r.now, r.client.Addr.Addr()) {
		r.proven = true
	}
	switch method := r.msg.Type.Method; {
	case method == stun.MethodAllocate && !r.msg.Contains(stun.AttrRequestedTransport):
		e.unsigned(r, stun.CodeBadRequest, RefusedMalformed)
	case method == stun.MethodAllocate, method == stun.MethodConnectionBind, r.alloc != nil:
		e.unsigned(r, stun.CodeUnauthorized, RefusedChallenge)
	default:
		e.unsigned(r, stun.CodeAllocMismatch, RefusedNoAllocation)
	}
}

// unsigned answers a request of a client that is not authenticated, if the budget allows. It returns
// false for authenticate to return.
func (e *Engine) unsigned(r *request, code stun.ErrorCode, why Refusal) bool {
	r.signer = signer{}
	if !e.mayAnswer(r) {
		return false
	}
	e.counters.RefusalsBy[why]++
	e.beginError(r, code)
	if code == stun.CodeUnauthorized || code == stun.CodeStaleNonce {
		e.out.Add(stun.AttrRealm, []byte(e.cfg.Realm))
		e.out.Add(stun.AttrNonce, e.nonces.appendTo(e.scratch[:0], r.now, r.client.Addr.Addr()))
		e.out.Add(stun.AttrPasswordAlgorithms, offeredAlgorithms)
	}
	e.finish(r)
	return false
}

// mayAnswer reports whether an answer is within the budget for strangers, or not to one.
func (e *Engine) mayAnswer(r *request) bool {
	if r.proven || e.shared.budget.allow(r.now.UnixNano(), r.client.Addr.Addr(), int64(e.cfg.AnswersPerSource), int64(e.cfg.Answers)) {
		return true
	}
	e.drop(DroppedBudget)
	return false
}

// chosenAlgorithm returns the password algorithm of a request, and false if it is not one that was
// offered, or if the offer was tampered with.
func chosenAlgorithm(m *stun.Message) (algorithm, bool) {
	chosen, hasChosen := m.Attributes.Get(stun.AttrPasswordAlgorithm)
	offer, hasOffer := m.Attributes.Get(stun.AttrPasswordAlgorithms)
	if !hasChosen && !hasOffer {
		return algorithmMD5, true
	}
	if !hasChosen || !hasOffer || !bytes.Equal(offer.Value, offeredAlgorithms) ||
		len(chosen.Value) != 4 || chosen.Value[2] != 0 || chosen.Value[3] != 0 {
		return 0, false
	}
	a := algorithm(chosen.Value[0])<<8 | algorithm(chosen.Value[1])
	return a, a == algorithmMD5 || a == algorithmSHA256
}

// identify finds out who signed a request and fills in r.
func (e *Engine) identify(r *request, chosen algorithm, realm string) bool {
	username, known := e.username(r.msg)
	var account Account
	if known {
		account = e.cfg.Account(username, r.now)
	}
	known = known && len(account.Passwords) > 0 && realm == e.cfg.Realm
	if !known {
		account.Passwords = []string{nobody}
	}
	how := integritySHA1
	if r.msg.Contains(stun.AttrMessageIntegritySHA256) {
		how = integritySHA256
	}
	both := how.attribute == stun.AttrMessageIntegritySHA256 && r.msg.Contains(stun.AttrMessageIntegrity)
	var found []byte
	for _, password := range account.Passwords {
		key := chosen.key(username, e.cfg.Realm, password)
		if how.check(key, r.msg.Raw) && (!both || integritySHA1.check(key, r.msg.Raw)) {
			found = key
		}
	}
	if !known || found == nil {
		return false
	}
	r.username, r.account, r.signer = username, account, signer{found, how}
	return true
}

// username returns the username that a request names, by USERNAME or USERHASH.
func (e *Engine) username(m *stun.Message) (string, bool) {
	if name, err := m.Get(stun.AttrUsername); err == nil {
		return string(name), len(name) > 0 && len(name) <= maxUsername
	}
	hash, err := m.Get(stun.AttrUserhash)
	if err != nil || len(hash) != 32 || e.cfg.Username == nil {
		return "", false
	}
	return e.cfg.Username([32]byte(hash))
}
