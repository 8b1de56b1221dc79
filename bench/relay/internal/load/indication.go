//go:build linux

package load

import (
	"encoding/binary"
	"net/netip"
	"unsafe"
)

const (
	cookie        = 0x2112A442
	typeSend      = 0x0016
	typeData      = 0x0017
	attrPeer      = 0x0012
	attrData      = 0x0013
	headerSize    = 20
	attributeSize = 4
)

// sendIndication writes a Send indication for an IPv4 peer and returns its size.
func sendIndication(p []byte, peer netip.AddrPort, size int, now int64) int {
	addr := peer.Addr().As4()
	padded := (size + 3) &^ 3
	binary.BigEndian.PutUint16(p, typeSend)
	binary.BigEndian.PutUint16(p[2:], uint16(12+attributeSize+padded))
	binary.BigEndian.PutUint32(p[4:], cookie)
	binary.NativeEndian.PutUint64(p[8:], uint64(now))
	a := p[headerSize:]
	binary.BigEndian.PutUint16(a, attrPeer)
	binary.BigEndian.PutUint16(a[2:], 8)
	a[4], a[5] = 0, 1
	binary.BigEndian.PutUint16(a[6:], peer.Port()^(cookie>>16))
	binary.BigEndian.PutUint32(a[8:], binary.BigEndian.Uint32(addr[:])^cookie)
	d := a[12:]
	binary.BigEndian.PutUint16(d, attrData)
	binary.BigEndian.PutUint16(d[2:], uint16(size))
	binary.NativeEndian.PutUint64(d[4:], uint64(now))
	return headerSize + 12 + attributeSize + padded
}

// dataAt returns where the payload of a Data indication begins.
func dataAt(p []byte) int {
	for at := headerSize; at+attributeSize <= len(p); {
		if binary.BigEndian.Uint16(p[at:]) == attrData {
			return at + attributeSize
		}
		at += attributeSize + (int(binary.BigEndian.Uint16(p[at+2:]))+3)&^3
	}
	return len(p)
}

func ptr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
