package turn

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// connect handles a Connect request, RFC 6062 section 5.2.
func (e *Engine) connect(r *request) {
	a := r.alloc
	peer, ok := peerOf(r.msg)
	if !ok || peer.Port() == 0 || !a.stream {
		e.refuse(r, stun.CodeBadRequest, RefusedMalformed)
		return
	}
	if a.conns[keyOf(peer)] != nil {
		e.refuse(r, stun.CodeConnAlreadyExists, RefusedConnection)
		return
	}
	verdict, code, why := e.judge(a, peer.Addr())
	if code != 0 {
		e.refuse(r, code, why)
		return
	}
	if len(a.conns) >= e.cfg.Connections {
		e.refuse(r, stun.CodeInsufficientCapacity, RefusedConnections)
		return
	}
	each := price(1, int64(e.cfg.NewPeersPerSec))
	if !a.newPeers.pass(r.now.UnixNano(), each, each*time.Duration(e.cfg.NewPeers)) {
		e.refuse(r, stun.CodeInsufficientCapacity, RefusedPeerRate)
		return
	}
	relay := a.relay(familyOf(peer.Addr()))
	if verdict == policy.Inside {
		e.connectInside(r, relay, peer)
		return
	}
	c := e.addConnection(a, peer, r.now.Add(connectPatience))
	c.request = r.kept()
	relay.listener.Connect(peer, c.id)
}

// connectInside connects two TCP allocations of this relay to each other. An address of the relay
// where none listens cannot be connected to: the connection would end at another service of the host.
func (e *Engine) connectInside(r *request, from *Relay, to netip.AddrPort) {
	target, found := e.shared.streams.at(to)
	if !found {
		e.refuse(r, stun.CodeConnTimeoutOrFailure, RefusedConnect)
		return
	}
	if target.engine != e.cfg.Index {
		c := e.addConnection(r.alloc, to, r.now.Add(connectPatience))
		c.request = r.kept()
		e.sink.Call(target.engine, c.id, from.relayed, target.relayed)
		return
	}
	other, ok := e.incoming(r.now, target.relay, from.relayed)
	if !ok {
		e.refuse(r, stun.CodeConnTimeoutOrFailure, RefusedConnect)
		return
	}
	c := e.addConnection(r.alloc, to, r.now.Add(bindPatience))
	e.shared.connections.opened(c)
	e.sink.Join(c.id, other)
	e.answerConnect(r, c)
}

// Called handles a connection from another engine's allocation to one of this engine's, which that has asked for by
// [Sink.Call]. It returns the connection's id on this side, or false if it is not wanted.
func (e *Engine) Called(now time.Time, from, to netip.AddrPort) (uint32, bool) {
	at, found := e.shared.streams.at(to)
	if !found || at.engine != e.cfg.Index {
		e.drop(DroppedClosed)
		return 0, false
	}
	e.giveWay(at.relay, from, now)
	return e.incoming(now, at.relay, from)
}

// kept returns the request for an answer that comes later, when its packet is gone.
func (r *request) kept() *request {
	k := *r
	k.alloc = nil
	k.msg = &stun.Message{Type: r.msg.Type, TransactionID: r.msg.TransactionID}
	if r.msg.Contains(stun.AttrFingerprint) {
		k.msg.Attributes = stun.Attributes{{Type: stun.AttrFingerprint}}
	}
	return &k
}

func (e *Engine) answerConnect(r *request, c *connection) {
	e.begin(r, stun.ClassSuccessResponse)
	e.out.Add(stun.AttrConnectionID, binary.BigEndian.AppendUint32(e.scratch[:0], c.id))
	e.finish(r)
}

// Connected says that a Connect of a Listener, or a Call, has succeeded. The peer must not be read from before a client is
// bound, but for up to 64 KiB to be passed on then. If it returns false, the connection must be closed.
func (e *Engine) Connected(now time.Time, id uint32) bool {
	c := e.shared.connections.get(id, e.cfg.Index)
	if c == nil || c.request == nil {
		return false
	}
	e.shared.connections.opened(c)
	c.deadline = now.Add(bindPatience)
	e.watch(c.alloc, c.deadline)
	r := c.request
	c.request = nil
	e.answerConnect(r, c)
	return true
}

// Failed says that a Connect of a Listener, or a Call, has failed.
func (e *Engine) Failed(id uint32) {
	c := e.shared.connections.get(id, e.cfg.Index)
	if c == nil || c.request == nil {
		return
	}
	e.forget(c.alloc, c)
	e.refuse(c.request, stun.CodeConnTimeoutOrFailure, RefusedConnect)
}
