package turn

import (
	"encoding/binary"
	"net/netip"
)

const (
	cookie        = 0x2112A442
	headerSize    = 20 // of a STUN message
	attributeSize = 4  // header of an attribute
)

// xored returns the address in an XOR-PEER-ADDRESS or similar attribute of a message with this
// header (RFC 8489 section 14.2), without IPv4-mapped form.
func xored(header, value []byte) (netip.AddrPort, bool) {
	if len(value) < 8 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(value[2:]) ^ cookie>>16
	switch {
	case value[1] == byte(IPv4) && len(value) == 8:
		var b [4]byte
		for i := range b {
			b[i] = value[4+i] ^ header[4+i]
		}
		return netip.AddrPortFrom(netip.AddrFrom4(b), port), true
	case value[1] == byte(IPv6) && len(value) == 20:
		var b [16]byte
		for i := range b {
			b[i] = value[4+i] ^ header[4+i]
		}
		return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), port), true
	}
	return netip.AddrPort{}, false
}

// appendXored appends the value of such an attribute.
func appendXored(buf, header []byte, addr netip.AddrPort) []byte {
	buf = append(buf, 0, byte(familyOf(addr.Addr())))
	buf = binary.BigEndian.AppendUint16(buf, addr.Port()^cookie>>16)
	at := len(buf)
	if ip := addr.Addr().Unmap(); ip.Is4() {
		b := ip.As4()
		buf = append(buf, b[:]...)
	} else {
		b := ip.As16()
		buf = append(buf, b[:]...)
	}
	for i := range buf[at:] {
		buf[at+i] ^= header[4+i]
	}
	return buf
}

// appendPlain appends the value of an ALTERNATE-SERVER attribute (RFC 8489 section 14.1).
func appendPlain(buf []byte, addr netip.AddrPort) []byte {
	buf = append(buf, 0, byte(familyOf(addr.Addr())))
	buf = binary.BigEndian.AppendUint16(buf, addr.Port())
	return append(buf, addr.Addr().Unmap().AsSlice()...)
}
