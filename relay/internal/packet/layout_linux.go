//go:build amd64 || arm64

package packet

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// header is struct mmsghdr.
type header struct {
	unix.Msghdr
	size uint32
	_    [4]byte
}

// name is a socket address: that of IPv6 has room for either.
type name = unix.RawSockaddrInet6

// control has room for the control messages that there may be of a datagram.
type control [128]byte

// put writes an address in the family of the socket and returns its size.
func putName(n *name, six bool, addr netip.AddrPort) uint32 {
	port := addr.Port()
	if !six {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
		*four = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port<<8 | port>>8, Addr: addr.Addr().As4()}
		return unix.SizeofSockaddrInet4
	}
	*n = name{Family: unix.AF_INET6, Port: port<<8 | port>>8, Addr: addr.Addr().As16()}
	if zone := addr.Addr().Zone(); zone != "" {
		n.Scope_id = scopeOf(zone)
	}
	return unix.SizeofSockaddrInet6
}

// nameOf reads an address.
func nameOf(n *name) netip.AddrPort {
	port := n.Port<<8 | n.Port>>8
	if n.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(n)).Addr), port)
	}
	addr := netip.AddrFrom16(n.Addr).Unmap()
	if n.Scope_id != 0 && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(strconv.FormatUint(uint64(n.Scope_id), 10))
	}
	return netip.AddrPortFrom(addr, port)
}

// scopeOf returns the number of the interface that a zone names.
func scopeOf(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	ifc, err := net.InterfaceByName(zone)
	if err != nil {
		return 0 // sending says so
	}
	return uint32(ifc.Index)
}

// putControl appends a control message to those in c, of which there are used bytes, and returns how many there are then.
func putControl(c *control, used int, level, kind int32, data []byte) int {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c[used]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(len(data)))
	copy(c[used+unix.CmsgLen(0):], data)
	return used + unix.CmsgSpace(len(data))
}

// said is what control messages tell of a datagram.
type said struct {
	to      netip.Addr
	segment int // size of the datagrams that it holds; 0: it is one
	lost    uint32
	counted bool // lost is set
}

// parseControl reads what c says.
func parseControl(c []byte) (s said) {
	for len(c) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(c) {
			return s
		}
		data := c[unix.CmsgLen(0):size]
		switch {
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			s.segment = int(binary.NativeEndian.Uint32(data))
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			s.lost, s.counted = binary.NativeEndian.Uint32(data), true
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= 12:
			s.to = netip.AddrFrom4([4]byte(data[4:8])) // of this host, even if the datagram was for all
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= 16:
			if to := netip.AddrFrom16([16]byte(data)).Unmap(); !to.IsMulticast() { // nothing is sent from there
				s.to = to
			}
		}
		c = c[min(len(c), (size+unix.SizeofPtr-1)&^(unix.SizeofPtr-1)):]
	}
	return s
}

// putLocal appends the address to send from.
func putLocal(c *control, used int, six bool, from netip.Addr) int {
	var info [20]byte
	if six && !from.Is4() {
		sixteen := from.As16()
		copy(info[:], sixteen[:])
		return putControl(c, used, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, info[:20])
	}
	four := from.As4()
	copy(info[4:], four[:]) // ipi_spec_dst
	return putControl(c, used, unix.IPPROTO_IP, unix.IP_PKTINFO, info[:12])
}
