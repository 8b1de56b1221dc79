package turn

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// ICMP is an ICMP error about a datagram that an allocation sent.
type ICMP struct {
	Type, Code uint8
	MTU        uint32 // of the next hop, where the type is about that
}

// passed reports whether clients are told of such an error: unreachable, too big and time exceeded
// (RFC 8656 section 11.5).
func (i ICMP) passed(f Family) bool {
	if f == IPv4 {
		return i.Type == 3 || i.Type == 11
	}
	return i.Type >= 1 && i.Type <= 3
}

// tooBig reports whether the error is about the size of the datagram.
func (i ICMP) tooBig(f Family) bool {
	return f == IPv4 && i.Type == 3 && i.Code == 4 || f == IPv6 && i.Type == 2
}

// Unreachable handles an ICMP error about a datagram that a relay sent to a peer.
func (e *Engine) Unreachable(now time.Time, r *Relay, peer netip.AddrPort, i ICMP) {
	peer = unmapped(peer)
	if r.closed || !i.passed(r.family) || r.alloc.permission(peer.Addr(), now) == nil {
		e.drop(DroppedICMP)
		return
	}
	value := binary.BigEndian.AppendUint16(e.scratch[:0], 0)
	value = binary.BigEndian.AppendUint16(value, uint16(i.Type&0x7f)<<9|uint16(i.Code))
	var data uint32
	if i.tooBig(r.family) {
		data = i.MTU
	}
	value = binary.BigEndian.AppendUint32(value, data)

	b := e.indication(typeData, peer)
	b = binary.BigEndian.AppendUint16(b, uint16(attrICMP))
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-headerSize))
	e.sink.ToClient(r.alloc.client, Packet{Head: b})
}
