package turn

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// FromPeer handles a datagram that arrived at a relay socket (RFC 8656 sections 11.3 and 12.7).
func (e *Engine) FromPeer(now time.Time, r *Relay, peer netip.AddrPort, p []byte) {
	e.toClient(now, r, unmapped(peer), p, false)
}

// FromInside handles a payload that another engine of this relay handed over by [Sink.Across].
func (e *Engine) FromInside(now time.Time, from, to netip.AddrPort, p []byte) {
	at, found := e.shared.directory.at(to)
	if !found || at.engine != e.cfg.Index {
		e.drop(DroppedClosed)
		return
	}
	e.toClient(now, at.relay, from, p, true)
}

// toClient passes a payload from a peer on to the client of an allocation, as ChannelData if the
// peer is bound to a channel, else in a Data indication. What has the relay's own address, but did
// not come by the inside, is from another service of this host.
func (e *Engine) toClient(now time.Time, r *Relay, peer netip.AddrPort, p []byte, inside bool) {
	a := r.alloc
	if r.closed || !now.Before(r.expires) {
		e.drop(DroppedClosed)
		return
	}
	c := a.bound[keyOf(peer)]
	var permitted *permission
	if c != nil && c.live(now) {
		permitted = c.permission
	} else {
		c, permitted = nil, a.permission(peer.Addr(), now)
	}
	switch {
	case permitted == nil:
		e.drop(DroppedPeer)
		return
	case permitted.inside && !inside && permitted.verdict != policy.Allowed:
		e.drop(DroppedFromOwnAddress)
		return
	case c != nil:
		if e.mayDeliver(now, a, p, 4, 0xFFFF) {
			binary.BigEndian.PutUint16(e.head[:], c.number)
			binary.BigEndian.PutUint16(e.head[2:], uint16(len(p)))
			packet := Packet{Head: e.head[:4], Body: p}
			if a.client.Transport.Stream() {
				packet.Pad = padded(len(p)) - len(p)
			}
			e.sink.ToClient(a.client, packet)
		}
		return
	}
	if head := e.dataHead(peer, len(p)); e.mayDeliver(now, a, p, len(head)+padded(len(p))-len(p), maxData) {
		e.sink.ToClient(a.client, Packet{Head: head, Body: p, Pad: padded(len(p)) - len(p)})
	}
}

// maxData is the most that a Data indication about an IPv6 peer carries.
const maxData = 0xFFFC - 24 - attributeSize

// The largest datagram of UDP over IPv4, and of DTLS (RFC 6347 section 4.1).
const (
	maxUDP  = 65507
	maxDTLS = 1 << 14
)

// mayDeliver counts a payload for a client if it fits, with so much around it and itself at most
// that long, and is within the limits.
func (e *Engine) mayDeliver(now time.Time, a *allocation, p []byte, around, most int) bool {
	switch a.client.Transport {
	case UDP:
		most = min(most, maxUDP-around)
	case DTLS:
		most = min(most, maxDTLS-around)
	}
	if len(p) > most {
		e.drop(DroppedTooLong)
		return false
	}
	if !e.mayRelay(now, a, len(p)) {
		return false
	}
	a.fromPeer.add(len(p))
	e.counters.FromPeers.add(len(p))
	return true
}

// dataHead returns what goes before the payload in a Data indication.
func (e *Engine) dataHead(peer netip.AddrPort, size int) []byte {
	b := e.indication(typeData, peer)
	b = binary.BigEndian.AppendUint16(b, uint16(stun.AttrData))
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-headerSize+padded(size)))
	return b
}

// indication starts an indication about a peer in e.head. Its transaction id means nothing to
// anybody, but must not be the same for all (RFC 8489 section 5).
func (e *Engine) indication(kind uint16, peer netip.AddrPort) []byte {
	e.indications++
	b := binary.BigEndian.AppendUint16(e.head[:0], kind)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, cookie)
	b = append(b, e.salt[:]...)
	b = binary.BigEndian.AppendUint64(b, e.indications*0x9E3779B97F4A7C15)
	size := 8
	if !peer.Addr().Is4() {
		size = 20
	}
	b = binary.BigEndian.AppendUint16(b, uint16(stun.AttrXORPeerAddress))
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	return appendXored(b, b[:headerSize], peer)
}
