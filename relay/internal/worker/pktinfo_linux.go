package worker

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// wideConn is a UDP socket of every address of this host. It reads which one a datagram came to, and answers from
// there (ip(7), IP_PKTINFO; RFC 3542 section 6): a client takes nothing from another address.
type wideConn struct {
	*net.UDPConn
	six bool // an IPv6 socket, for both families maybe
	oob [128]byte
}

// manyAddresses returns a socket of every address that knows which is which, or false if the system does not say.
func manyAddresses(conn *net.UDPConn) (packetConn, bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, false
	}
	c := &wideConn{UDPConn: conn}
	var failure error
	err = raw.Control(func(fd uintptr) {
		var addr syscall.Sockaddr
		if addr, failure = syscall.Getsockname(int(fd)); failure != nil {
			return
		}
		if _, c.six = addr.(*syscall.SockaddrInet6); c.six {
			failure = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1)
		} else {
			failure = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
		}
	})
	return c, errors.Join(err, failure) == nil
}

// read is for one goroutine at a time.
func (c *wideConn) read(p []byte) (int, netip.AddrPort, netip.Addr, error) {
	n, size, _, from, err := c.ReadMsgUDPAddrPort(p, c.oob[:])
	if err != nil {
		return n, from, netip.Addr{}, err
	}
	local := destination(c.oob[:size])
	if local.IsMulticast() {
		local = netip.Addr{} // nothing is sent from there
	}
	return n, from, local, nil
}

// write is for any goroutine.
func (c *wideConn) write(p []byte, to netip.AddrPort, local netip.Addr) error {
	if !local.IsValid() {
		_, err := c.WriteToUDPAddrPort(p, to)
		return err
	}
	oob := oobs.Get().(*[64]byte)
	_, _, err := c.WriteMsgUDPAddrPort(p, appendSource(oob[:0], local, c.six), to)
	oobs.Put(oob)
	return err
}

// oobs are buffers for control messages.
var oobs = sync.Pool{New: func() any { return new([64]byte) }}

// Sizes of what a control message begins with (cmsg(3)), and of its length there.
const (
	sizeofHeader = syscall.SizeofCmsghdr
	sizeofLength = sizeofHeader - 8
)

// aligned rounds the size of a control message up to where the next may begin.
func aligned(size int) int { return (size + sizeofLength - 1) &^ (sizeofLength - 1) }

// destination returns the address that control messages name, or none.
func destination(oob []byte) netip.Addr {
	for len(oob) >= sizeofHeader {
		size := int(binary.NativeEndian.Uint32(oob)) // of a length of 64 bits the low half
		if sizeofLength == 8 {
			size = int(binary.NativeEndian.Uint64(oob))
		}
		if size < sizeofHeader || size > len(oob) {
			break
		}
		level, kind := binary.NativeEndian.Uint32(oob[sizeofLength:]), binary.NativeEndian.Uint32(oob[sizeofLength+4:])
		data := oob[sizeofHeader:size]
		switch {
		case level == syscall.IPPROTO_IP && kind == syscall.IP_PKTINFO && len(data) >= syscall.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(data[4:8])) // of this host, even if the datagram was for all
		case level == syscall.IPPROTO_IPV6 && kind == syscall.IPV6_PKTINFO && len(data) >= syscall.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(data[:16])).Unmap()
		}
		oob = oob[min(aligned(size), len(oob)):]
	}
	return netip.Addr{}
}

// appendSource appends the control message that names the address to send from. An IPv6 socket takes that of IPv4 in its
// mapped form.
func appendSource(oob []byte, local netip.Addr, six bool) []byte {
	size, level, kind := syscall.SizeofInet4Pktinfo, syscall.IPPROTO_IP, syscall.IP_PKTINFO
	if six {
		size, level, kind = syscall.SizeofInet6Pktinfo, syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO
	}
	if sizeofLength == 8 {
		oob = binary.NativeEndian.AppendUint64(oob, uint64(sizeofHeader+size))
	} else {
		oob = binary.NativeEndian.AppendUint32(oob, uint32(sizeofHeader+size))
	}
	oob = binary.NativeEndian.AppendUint32(oob, uint32(level))
	oob = binary.NativeEndian.AppendUint32(oob, uint32(kind))
	if six {
		addr := local.As16()
		oob = append(append(oob, addr[:]...), 0, 0, 0, 0) // any interface
	} else {
		addr := local.As4()
		oob = append(append(append(oob, 0, 0, 0, 0), addr[:]...), 0, 0, 0, 0)
	}
	for len(oob) != aligned(len(oob)) {
		oob = append(oob, 0)
	}
	return oob
}
