//go:build amd64 || arm64

package packet

import (
	"net"
	"net/netip"
)

// receiveLocal tells the address of this host, too.
func receiveLocal(conn *net.UDPConn, p []byte) (int, Datagram, error) {
	var c control
	n, size, _, from, err := conn.ReadMsgUDPAddrPort(p, c[:])
	if err != nil {
		return n, Datagram{}, err
	}
	return n, Datagram{From: from, To: parseControl(c[:size]).to}, nil
}

// sendLocal sends from an address of this host.
func sendLocal(conn *net.UDPConn, p []byte, to netip.AddrPort, from netip.Addr, six bool) error {
	var c control
	_, _, err := conn.WriteMsgUDPAddrPort(p, c[:putLocal(&c, 0, six, from)], to)
	return err
}
