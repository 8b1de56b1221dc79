//go:build !linux

package packet

import "net"

// Siblings returns so many more sockets of the port that conn is bound to. Elsewhere than on Linux the system does not spread senders over
// such sockets in a way to rely on.
func Siblings(net.PacketConn, int) ([]net.PacketConn, error) { return nil, ErrNoSiblings }
