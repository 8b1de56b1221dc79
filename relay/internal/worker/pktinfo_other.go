//go:build !linux

package worker

import "net"

// manyAddresses is for systems that tell which address a datagram came to: elsewhere they choose where answers come
// from, and a host with several addresses needs a listener for each.
func manyAddresses(*net.UDPConn) (packetConn, bool) { return nil, false }
