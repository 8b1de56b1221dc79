package turn

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// How long a peer may take to answer a connection attempt, and a client to bind a connection
// (RFC 6062 sections 5.2 to 5.4).
const (
	connectPatience = 30 * time.Second
	bindPatience    = 30 * time.Second
)

// connection is a TCP connection between an allocation and a peer.
type connection struct {
	id       uint32
	engine   int         // that made it
	alloc    *allocation // for the engine that made it alone to use
	username string
	peer     netip.AddrPort
	request  *request  // the Connect request to be answered, or nil
	deadline time.Time // unless bound

	open  bool // guarded by connections.mu
	bound bool // guarded by connections.mu
}

// connections are those of all engines of a relay, since a client's connection for one may come to
// another engine than the allocation's.
type connections struct {
	mu   sync.Mutex
	byID map[uint32]*connection // guarded by mu
}

// add gives a connection an id that nobody can guess.
func (cs *connections) add(c *connection) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c.id == 0 || cs.byID[c.id] != nil {
		var b [4]byte
		random(b[:])
		c.id = binary.BigEndian.Uint32(b[:])
	}
	cs.byID[c.id] = c
}

// get returns a connection that an engine made, or nil.
func (cs *connections) get(id uint32, engine int) *connection {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c := cs.byID[id]; c != nil && c.engine == engine {
		return c
	}
	return nil
}

func (cs *connections) remove(c *connection) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.byID, c.id)
}

// opened says that the peer is connected.
func (cs *connections) opened(c *connection) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c.open = true
}

// isBound reports whether a client is bound to the connection.
func (cs *connections) isBound(c *connection) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return c.bound
}

// bind binds the connection with an id and returns the engine that made it, or the error to answer
// with.
func (cs *connections) bind(id uint32, username string) (int, stun.ErrorCode, Refusal) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[id]
	switch {
	case c == nil || !c.open || c.bound:
		return 0, stun.CodeBadRequest, RefusedConnection
	case c.username != username:
		return 0, stun.CodeWrongCredentials, RefusedOtherUser
	}
	c.bound = true
	return c.engine, 0, 0
}

// addConnection makes a connection of an allocation to a peer.
func (e *Engine) addConnection(a *allocation, peer netip.AddrPort, deadline time.Time) *connection {
	c := &connection{engine: e.cfg.Index, alloc: a, username: a.username, peer: peer, deadline: deadline}
	e.shared.connections.add(c)
	if a.conns == nil {
		a.conns = make(map[peerKey]*connection)
	}
	a.conns[keyOf(peer)] = c
	e.watch(a, deadline)
	return c
}

// forget removes a connection from the books.
func (e *Engine) forget(a *allocation, c *connection) {
	if a.conns[keyOf(c.peer)] == c {
		delete(a.conns, keyOf(c.peer))
	}
	e.shared.connections.remove(c)
}

// closeConnection closes a connection; a client that waits for it is told.
func (e *Engine) closeConnection(a *allocation, c *connection) {
	e.forget(a, c)
	e.sink.CloseConn(c.id)
	if c.request != nil {
		e.refuse(c.request, stun.CodeConnTimeoutOrFailure, RefusedConnect)
	}
}

// expireConnection closes a connection that was not bound in time. It reports whether there is
// something left that may expire.
func (e *Engine) expireConnection(a *allocation, c *connection, now time.Time) bool {
	switch {
	case now.Before(c.deadline):
		return true
	case !e.shared.connections.isBound(c):
		e.closeConnection(a, c)
	}
	return false
}

// Incoming handles a connection of a peer to a TCP relay, RFC 6062 section 5.3. It returns the
// connection's id, or false if the connection must be closed.
func (e *Engine) Incoming(now time.Time, r *Relay, peer netip.AddrPort) (uint32, bool) {
	peer = unmapped(peer)
	if p := r.alloc.permission(peer.Addr(), now); p != nil && p.inside && p.verdict != policy.Allowed {
		e.drop(DroppedFromOwnAddress)
		return 0, false
	}
	return e.incoming(now, r, peer)
}

func (e *Engine) incoming(now time.Time, r *Relay, peer netip.AddrPort) (uint32, bool) {
	a := r.alloc
	if r.closed {
		e.drop(DroppedClosed)
		return 0, false
	}
	if a.permission(peer.Addr(), now) == nil || a.conns[keyOf(peer)] != nil || len(a.conns) >= e.cfg.Connections {
		e.drop(DroppedPeer)
		return 0, false
	}
	c := e.addConnection(a, peer, now.Add(bindPatience))
	e.shared.connections.opened(c)
	b := e.indication(typeConnectionAttempt, peer)
	b = binary.BigEndian.AppendUint16(b, uint16(stun.AttrConnectionID))
	b = binary.BigEndian.AppendUint16(b, 4)
	b = binary.BigEndian.AppendUint32(b, c.id)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-headerSize))
	e.sink.ToClient(a.client, Packet{Head: b})
	return c.id, true
}

// giveWay gives up a Connect to a peer of another engine, which is under way, for one of that peer's which it has met: of two clients that
// connect to each other at once, that with the smaller address does. The other is told that there is a connection already, as if it had come later.
func (e *Engine) giveWay(r *Relay, peer netip.AddrPort, now time.Time) {
	c := r.alloc.conns[keyOf(peer)]
	if c == nil || c.request == nil || peer.Compare(r.relayed) > 0 || r.alloc.permission(peer.Addr(), now) == nil {
		return
	}
	e.forget(r.alloc, c)
	e.refuse(c.request, stun.CodeConnAlreadyExists, RefusedConnection)
}

// typeConnectionAttempt is the indication's message type, RFC 6062 section 6.1.
const typeConnectionAttempt = 0x001c

// connectionBind handles a ConnectionBind request, RFC 6062 section 5.4.
func (e *Engine) connectionBind(r *request) Effect {
	effect := Effect{Authenticated: true}
	value, err := r.msg.Get(stun.AttrConnectionID)
	if err != nil || len(value) != 4 || !r.client.Transport.Stream() || r.alloc != nil {
		e.refuse(r, stun.CodeBadRequest, RefusedMalformed)
		return effect
	}
	id := binary.BigEndian.Uint32(value)
	owner, code, why := e.shared.connections.bind(id, r.username)
	if code != 0 {
		e.refuse(r, code, why)
		return effect
	}
	e.succeed(r)
	effect.Bound, effect.Owner = id, owner
	return effect
}

// Disconnected says that a peer connection of this engine has ended, or the client's that was bound
// to it.
func (e *Engine) Disconnected(id uint32) {
	if c := e.shared.connections.get(id, e.cfg.Index); c != nil {
		e.forget(c.alloc, c)
	}
}

// Carried counts bytes that went through a bound connection of this engine, to the peer or from it, and returns how
// long to wait before carrying more, to stay within the limit of bits per second.
func (e *Engine) Carried(now time.Time, id uint32, toPeer bool, n int) time.Duration {
	c := e.shared.connections.get(id, e.cfg.Index)
	if c == nil {
		return 0
	}
	a, total, way := c.alloc, &e.counters.FromPeers, &c.alloc.fromPeer
	if toPeer {
		total, way = &e.counters.ToPeers, &c.alloc.toPeers
	}
	total.add(n)
	way.add(n)
	owed := a.allowance.Spend(n, now)
	bytes := (e.cfg.Bits + 7) / 8
	if bytes == 0 {
		return owed
	}
	paid := max(int64(a.paid), now.UnixNano()-int64(100*time.Millisecond)) + int64(price(int64(n), bytes))
	a.paid = gate(paid)
	return max(owed, time.Duration(paid-now.UnixNano()))
}
