package turn

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// Types of the messages that carry data, RFC 8656 section 17.
const (
	typeSend = 0x0016
	typeData = 0x0017
)

// channelData relays ChannelData of a client (RFC 8656 section 12.6).
func (e *Engine) channelData(now time.Time, c Client, p []byte) {
	if len(p) < 4 {
		e.drop(DroppedMalformed)
		return
	}
	size := int(binary.BigEndian.Uint16(p[2:]))
	if size > len(p)-4 {
		e.drop(DroppedMalformed)
		return
	}
	a := e.live(c.tuple(), now)
	if a == nil {
		e.drop(DroppedNoAllocation)
		return
	}
	ch := a.channels[binary.BigEndian.Uint16(p)]
	if ch == nil || !now.Before(ch.expires) {
		e.drop(DroppedNoChannel)
		return
	}
	if !now.Before(ch.permission.expires) {
		e.drop(DroppedNoPermission)
		return
	}
	e.toPeer(now, a, ch.permission, ch.peer, p[4:4+size], false)
}

// send relays the data of a Send indication (RFC 8656 section 11.2). p is well-formed. Firefox sends
// everything this way, so it does without the codec.
func (e *Engine) send(now time.Time, c Client, p []byte) {
	a := e.live(c.tuple(), now)
	if a == nil {
		e.drop(DroppedNoAllocation)
		return
	}
	var peer netip.AddrPort
	var body []byte
	var named, found, df bool
attributes:
	for at := headerSize; at < len(p); {
		t := stun.AttrType(binary.BigEndian.Uint16(p[at:]))
		size := int(binary.BigEndian.Uint16(p[at+2:]))
		value := p[at+attributeSize : at+attributeSize+size]
		at += attributeSize + padded(size)
		switch t {
		case stun.AttrXORPeerAddress:
			if named {
				continue // only the first counts
			}
			if peer, named = xored(p, value); !named {
				e.drop(DroppedMalformed)
				return
			}
		case stun.AttrData:
			if !found {
				body, found = value, true
			}
		case stun.AttrDontFragment:
			df = true
		case stun.AttrMessageIntegrity, stun.AttrMessageIntegritySHA256:
			break attributes // what follows does not count
		default:
			if !isUnderstood(t) {
				e.drop(DroppedMalformed)
				return
			}
		}
	}
	if !named || !found || peer.Port() == 0 || df && !e.cfg.DontFragment || a.stream {
		e.drop(DroppedMalformed)
		return
	}
	permission := a.permission(peer.Addr(), now)
	if permission == nil {
		e.drop(DroppedNoPermission)
		return
	}
	e.toPeer(now, a, permission, peer, body, df)
}

// toPeer sends a client's data to a peer that it has a permission for.
func (e *Engine) toPeer(now time.Time, a *allocation, p *permission, peer netip.AddrPort, body []byte, df bool) {
	r := a.relay(familyOf(peer.Addr()))
	if r == nil { // the half of a dual allocation that was given up
		e.drop(DroppedNoPermission)
		return
	}
	if !e.mayRelay(now, a, len(body)) {
		return
	}
	if p.inside {
		if e.toInside(now, r, peer, body) {
			a.toPeers.add(len(body))
			e.counters.ToPeers.add(len(body))
			return
		}
		if p.verdict != policy.Allowed {
			e.drop(DroppedToOwnAddress)
			return
		}
	}
	a.toPeers.add(len(body))
	e.counters.ToPeers.add(len(body))
	r.port.Send(peer, body, df)
}

// toInside hands a payload to the allocation that has the address, and reports whether there is one.
func (e *Engine) toInside(now time.Time, from *Relay, to netip.AddrPort, body []byte) bool {
	at, found := e.shared.directory.at(to)
	switch {
	case !found:
		return false
	case at.engine == e.cfg.Index:
		e.toClient(now, at.relay, from.relayed, body, true)
	default:
		e.sink.Across(at.engine, from.relayed, at.relayed, body)
	}
	return true
}

// mayRelay reports whether so many bytes more are within the limits of bits per second.
func (e *Engine) mayRelay(now time.Time, a *allocation, size int) bool {
	if bytes := (e.cfg.Bits + 7) / 8; bytes > 0 {
		burst := max(100*time.Millisecond, price(16<<10, bytes))
		if !a.paid.pass(now.UnixNano(), price(int64(size), bytes), burst) {
			e.drop(DroppedRate)
			return false
		}
	}
	if !a.allowance.Take(size, now) {
		e.drop(DroppedBandwidth)
		return false
	}
	if e.shared.bits.rate > 0 && !e.lease.take(&e.shared.bits, now.UnixNano(), int64(size)) {
		e.drop(DroppedTotalRate)
		return false
	}
	return true
}
