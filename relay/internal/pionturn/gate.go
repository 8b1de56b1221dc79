package pionturn

import (
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// pass looks at a datagram from a client and returns how much of p, perhaps rewritten, the TURN
// server should handle; 0 when it was answered here or dropped.
func (l *listener) pass(p []byte, client netip.AddrPort) int {
	l.request = request{client: client}
	switch {
	case len(p) == 0:
		return l.drop("empty")
	case p[0]&0xc0 == 0x40: // ChannelData; up to 0x7f with clients of RFC 5766, as coturn's
		return len(p)
	case p[0] > 3:
		return l.drop("first-byte")
	}
	msg := stun.NewWithOptions(stun.WithStrict(true))
	if _, err := msg.Write(p); err != nil {
		return l.drop("malformed")
	}
	switch msg.Type.Class {
	case stun.ClassIndication:
		return len(p)
	case stun.ClassRequest:
	default:
		return l.drop("not-a-request")
	}
	switch msg.Type.Method {
	case stun.MethodBinding:
		return len(p)
	case stun.MethodAllocate:
	case stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind:
		if l.allocation(client) == nil {
			return l.refuse(msg, "no-allocation", stun.CodeAllocMismatch)
		}
	default:
		return l.drop("unknown-method")
	}
	return l.passRequest(p, msg)
}

// passRequest is pass for a request of a method that needs authentication.
func (l *listener) passRequest(p []byte, msg *stun.Message) int {
	if !msg.Contains(stun.AttrMessageIntegrity) {
		return bare(p) // to be challenged
	}
	if !msg.Contains(stun.AttrUsername) || !msg.Contains(stun.AttrRealm) || !msg.Contains(stun.AttrNonce) {
		return l.refuse(msg, "incomplete", stun.CodeBadRequest)
	}
	expired, ok := l.identify(msg)
	if !ok {
		l.b.Tally.AuthFailures.Add(1)
		return bare(p)
	}
	alloc := l.allocation(l.request.client)
	if alloc != nil && alloc.username != l.request.username {
		code := stun.CodeWrongCredentials
		if msg.Type.Method == stun.MethodAllocate {
			code = stun.CodeAllocMismatch
		}
		return l.refuse(msg, "another-user", code)
	}
	if msg.Type.Method == stun.MethodAllocate && alloc == nil {
		if expired {
			l.b.Tally.Refusals.Add("expired")
			return bare(p)
		}
		if reason, code := l.refuseAllocate(msg); reason != "" {
			return l.refuse(msg, reason, code)
		}
	}
	if msg.Type.Method == stun.MethodCreatePermission || msg.Type.Method == stun.MethodChannelBind {
		if reason, code := l.refusePeers(msg); reason != "" {
			return l.refuse(msg, reason, code)
		}
	}
	return upToIntegrity(p, msg)
}

// nobody is the password of unknown users, so that checking takes them as long as others.
var nobody = rand.Text()

// identify finds the key that signed a request and fills in l.request.
func (l *listener) identify(msg *stun.Message) (expired, ok bool) {
	var username stun.Username
	var realm stun.Realm
	if username.GetFrom(msg) != nil || realm.GetFrom(msg) != nil {
		return false, false // there, but longer than allowed
	}
	account := l.b.Account(username.String(), time.Now())
	known := len(account.Passwords) > 0 && realm.String() == l.b.Realm
	if !known {
		account.Passwords = []string{nobody}
	}
	var found []byte
	for _, password := range account.Passwords {
		key := turn.GenerateAuthKey(username.String(), l.b.Realm, password)
		if stun.MessageIntegrity(key).Check(msg) == nil {
			found = key
		}
	}
	if !known || found == nil {
		return false, false
	}
	l.request.username, l.request.account, l.request.key = username.String(), account.Name, found
	return account.Expired, true
}

// refuseAllocate returns why a new allocation cannot be had, if so.
func (l *listener) refuseAllocate(msg *stun.Message) (reason string, code stun.ErrorCode) {
	transport, err := msg.Get(stun.AttrRequestedTransport)
	if err != nil || len(transport) != 4 {
		return "incomplete", stun.CodeBadRequest
	}
	family, err := msg.Get(stun.AttrRequestedAddressFamily)
	switch {
	case transport[0] != protocolUDP:
		return "transport", stun.CodeUnsupportedTransProto
	case err == nil && (len(family) != 4 || family[0] != familyIPv4):
		return "family", stun.CodeAddrFamilyNotSupported
	case msg.Contains(stun.AttrReservationToken):
		return "reservation", stun.CodeInsufficientCapacity // none is ever kept
	}
	switch err := l.b.ledger.check(l.request.account); {
	case errors.Is(err, errDraining):
		return "draining", stun.CodeInsufficientCapacity
	case errors.Is(err, errQuota):
		return "user-quota", stun.CodeAllocQuotaReached
	case errors.Is(err, errCapacity):
		l.warn(err)
		return "capacity", stun.CodeInsufficientCapacity
	}
	return "", 0
}

// refusePeers returns why a permission or channel cannot be had, if so. One denied peer among
// several refuses them all (RFC 8656 section 10.2).
func (l *listener) refusePeers(msg *stun.Message) (reason string, code stun.ErrorCode) {
	peers, err := peersOf(msg)
	if err != nil || len(peers) == 0 {
		return "incomplete", stun.CodeBadRequest
	}
	for _, peer := range peers {
		if verdict, why := l.b.Policy.Judge(peer); verdict == policy.Denied {
			l.b.Logger.Debug("peer denied", "client", l.request.client, "peer", peer, "reason", why)
			return "peer-denied", stun.CodeForbidden
		}
		if !peer.Unmap().Is4() {
			return "peer-family", stun.CodePeerAddrFamilyMismatch
		}
	}
	return "", 0
}

// refuse answers a request with an error. It returns 0 for pass to return.
func (l *listener) refuse(msg *stun.Message, reason string, code stun.ErrorCode) int {
	l.b.Tally.Refusals.Add(reason)
	// A lost answer is the client's to repeat, as any lost datagram.
	_, _ = l.PacketConn.WriteTo(refusal(msg, code, l.request.key), net.UDPAddrFromAddrPort(l.request.client))
	return 0
}

// drop counts a datagram that is not answered. It returns 0 for pass to return.
func (l *listener) drop(reason string) int {
	l.b.Tally.Drops.Add(reason)
	return 0
}
