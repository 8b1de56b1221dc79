package worker

import (
	"fmt"
	"net"
	"net/netip"
)

// packetConnOf returns the best way to read and write a socket.
func packetConnOf(socket net.PacketConn) packetConn {
	conn, ok := socket.(*net.UDPConn)
	if !ok {
		return plainConn{socket}
	}
	if addr, ok := conn.LocalAddr().(*net.UDPAddr); ok && addr.IP.IsUnspecified() {
		if conn, ok := manyAddresses(conn); ok {
			return conn
		}
	}
	return udpConn{conn}
}

// udpConn is a UDP socket of the system's.
type udpConn struct{ *net.UDPConn }

func (c udpConn) read(p []byte) (int, netip.AddrPort, netip.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(p)
	return n, from, netip.Addr{}, err
}

func (c udpConn) write(p []byte, to netip.AddrPort, _ netip.Addr) error {
	_, err := c.WriteToUDPAddrPort(p, to)
	return err
}

// plainConn makes a packetConn of any socket whose addresses are UDP's.
type plainConn struct{ net.PacketConn }

func (c plainConn) read(p []byte) (int, netip.AddrPort, netip.Addr, error) {
	n, from, err := c.ReadFrom(p)
	if err != nil {
		return n, netip.AddrPort{}, netip.Addr{}, err
	}
	udp, ok := from.(*net.UDPAddr)
	if !ok {
		return 0, netip.AddrPort{}, netip.Addr{}, fmt.Errorf("%v is not a UDP address", from)
	}
	return n, udp.AddrPort(), netip.Addr{}, nil
}

func (c plainConn) write(p []byte, to netip.AddrPort, _ netip.Addr) error {
	_, err := c.WriteTo(p, net.UDPAddrFromAddrPort(to))
	return err
}

// unmapped returns an address without its IPv4-mapped form.
func unmapped(addr netip.AddrPort) netip.AddrPort {
	if addr.Addr().Is4In6() {
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	return addr
}
