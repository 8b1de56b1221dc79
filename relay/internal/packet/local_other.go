//go:build !linux || !(amd64 || arm64)

package packet

import (
	"net"
	"net/netip"
)

// receiveLocal does not tell the address of this host here.
func receiveLocal(conn *net.UDPConn, p []byte) (int, Datagram, error) {
	n, from, err := conn.ReadFromUDPAddrPort(p)
	return n, Datagram{From: from}, err
}

func sendLocal(conn *net.UDPConn, p []byte, to netip.AddrPort, _ netip.Addr, _ bool) error {
	_, err := conn.WriteToUDPAddrPort(p, to)
	return err
}
