package turn

import (
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// permission lets a client and an address reach each other through an allocation (RFC 8656 section 9).
type permission struct {
	addr     netip.Addr
	expires  time.Time
	verdict  policy.Verdict
	inside   bool // an address of the relay: packets go to its allocations first
	channels int  // that need it
}

// permission returns the live permission for a peer, or nil.
func (a *allocation) permission(addr netip.Addr, now time.Time) *permission {
	p := a.permissions[addr.As16()]
	if p == nil || !now.Before(p.expires) {
		return nil
	}
	return p
}

// peerOf returns the address in XOR-PEER-ADDRESS, and false if there is none or it is malformed.
func peerOf(m *stun.Message) (netip.AddrPort, bool) {
	value, err := m.Get(stun.AttrXORPeerAddress)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return xored(m.Raw, value)
}

// judge returns why a peer cannot be had, if so, and its verdict.
func (e *Engine) judge(a *allocation, peer netip.Addr) (policy.Verdict, stun.ErrorCode, Refusal) {
	verdict, _ := e.policy.Judge(peer)
	switch {
	case verdict == policy.Denied:
		return verdict, stun.CodeForbidden, RefusedPeer
	case a.relay(familyOf(peer)) == nil:
		return verdict, stun.CodePeerAddrFamilyMismatch, RefusedFamily
	}
	return verdict, 0, 0
}

// createPermission handles a CreatePermission request, RFC 8656 section 10.2: all of its peers or none.
func (e *Engine) createPermission(r *request) {
	a := r.alloc
	fresh := 0
	peers := e.peers[:0]
	for _, attribute := range r.msg.Attributes {
		if attribute.Type != stun.AttrXORPeerAddress {
			continue
		}
		peer, ok := xored(r.msg.Raw, attribute.Value)
		if !ok {
			e.refuse(r, stun.CodeBadRequest, RefusedMalformed)
			return
		}
		if len(peers) >= e.cfg.Permissions { // no need to judge thousands
			e.refuse(r, stun.CodeInsufficientCapacity, RefusedPermissions)
			return
		}
		verdict, code, why := e.judge(a, peer.Addr())
		if code != 0 {
			e.refuse(r, code, why)
			return
		}
		if a.permission(peer.Addr(), r.now) == nil {
			fresh++
		}
		peers = append(peers, judged{peer.Addr(), verdict})
	}
	e.peers = peers[:0]
	if len(peers) == 0 {
		e.refuse(r, stun.CodeBadRequest, RefusedMalformed)
		return
	}
	if why := e.roomForPeers(a, fresh, r.now); why != 0 {
		e.refuse(r, stun.CodeInsufficientCapacity, why)
		return
	}
	for _, p := range peers {
		e.permit(a, p.addr, p.verdict, r.now)
	}
	e.succeed(r)
}

// judged is a peer that may be reached.
type judged struct {
	addr    netip.Addr
	verdict policy.Verdict
}

// roomForPeers returns why an allocation cannot have so many new permissions, if so.
func (e *Engine) roomForPeers(a *allocation, fresh int, now time.Time) Refusal {
	if fresh == 0 {
		return 0
	}
	if len(a.permissions)+fresh > e.cfg.Permissions {
		e.sweepIfDue(a, now)
		if len(a.permissions)+fresh > e.cfg.Permissions {
			return RefusedPermissions
		}
	}
	each := price(1, int64(e.cfg.NewPeersPerSec))
	if !a.newPeers.pass(now.UnixNano(), each*time.Duration(fresh), each*time.Duration(e.cfg.NewPeers)) {
		return RefusedPeerRate
	}
	return 0
}

// permit makes or refreshes a permission.
func (e *Engine) permit(a *allocation, addr netip.Addr, verdict policy.Verdict, now time.Time) *permission {
	p := a.permissions[addr.As16()]
	if p == nil {
		if a.permissions == nil {
			a.permissions = make(map[[16]byte]*permission)
		}
		p = &permission{addr: addr}
		a.permissions[addr.As16()] = p
	}
	p.expires = now.Add(permissionLife)
	p.verdict, p.inside = verdict, verdict == policy.Inside || e.isRelay(addr)
	e.watch(a, p.expires)
	return p
}

// isRelay reports whether an address is one that relays have, as far as this engine's own show.
func (e *Engine) isRelay(addr netip.Addr) bool { return e.cfg.Relayed != nil && e.cfg.Relayed(addr) }

// rejudge ends what the policy now denies and returns how many permissions that was.
func (e *Engine) rejudge(a *allocation) int {
	n := 0
	for key, p := range a.permissions {
		verdict, _ := e.policy.Judge(p.addr)
		p.verdict, p.inside = verdict, verdict == policy.Inside || e.isRelay(p.addr)
		if verdict == policy.Denied {
			delete(a.permissions, key)
			n++
		}
	}
	for _, c := range a.channels {
		if c.permission.verdict == policy.Denied {
			a.unbind(c)
		}
	}
	for _, c := range a.conns {
		if verdict, _ := e.policy.Judge(c.peer.Addr()); verdict == policy.Denied {
			e.closeConnection(a, c)
		}
	}
	return n
}
