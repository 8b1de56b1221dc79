//go:build linux

package load

import (
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// datagram is a UDP socket that is connected to a server.
type datagram int

func connectDatagram(from netip.Addr, server netip.AddrPort) (datagram, error) {
	fd, _, err := open(from)
	if err != nil {
		return 0, err
	}
	if err := unix.Connect(fd, socketAddress(server)); err != nil {
		_ = unix.Close(fd) // the first error says it all
		return 0, err
	}
	return datagram(fd), nil
}

func (d datagram) descriptor() int { return int(d) }

func (d datagram) write(message []byte) error {
	_, err := unix.Write(int(d), message)
	return err
}

func (d datagram) read(deadline time.Time) ([]byte, error) {
	if err := await(int(d), unix.POLLIN, deadline); err != nil {
		return nil, err
	}
	buf := make([]byte, roomFor)
	n, err := unix.Read(int(d), buf)
	if err != nil {
		return nil, nil //nolint:nilerr // nothing yet, or what ICMP says of a server that starts: asked again
	}
	return buf[:n], nil
}

func (d datagram) close() { _ = unix.Close(int(d)) } // there is nothing to lose

// await waits until a descriptor is ready, or then.
func await(fd int, events int16, deadline time.Time) error {
	ready := []unix.PollFd{{Fd: int32(fd), Events: events}}
	if _, err := unix.Poll(ready, max(int(time.Until(deadline)/time.Millisecond), 0)+1); err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	return nil
}

func socketAddress(a netip.AddrPort) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
}
