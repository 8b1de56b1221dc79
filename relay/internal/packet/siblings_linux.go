package packet

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// alike are the options that a sibling must have of the first socket: those that say which packets are the socket's, and as
// what those that it sends leave.
var alike = [...]struct{ level, option int }{
	{unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX},
	{unix.SOL_SOCKET, unix.SO_MARK},
	{unix.SOL_SOCKET, unix.SO_PRIORITY},
	{unix.IPPROTO_IP, unix.IP_FREEBIND},
	{unix.IPPROTO_IP, unix.IP_TRANSPARENT},
	{unix.IPPROTO_IP, unix.IP_TOS},
	{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY},
	{unix.IPPROTO_IPV6, unix.IPV6_FREEBIND},
	{unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT},
	{unix.IPPROTO_IPV6, unix.IPV6_TCLASS},
}

// Siblings returns so many more sockets of the port that conn is bound to (SO_REUSEPORT). From then on the kernel gives each of them, and
// conn, the datagrams of some senders, always the same ones as long as none is closed. So all must be there before the first
// is read, and what has come to conn before is dropped: its sender may be another socket's by now, and sends it again. Whoever binds the port in the usual way is still told that it is in use, before as well as after.
//
// Not every port can be had again: the error says why. [ErrNoSiblings] is among them.
func Siblings(conn net.PacketConn, n int) ([]net.PacketConn, error) {
	first, ok := conn.(*net.UDPConn)
	if !ok || first.RemoteAddr() != nil {
		return nil, ErrNoSiblings
	}
	raw, err := first.SyscallConn()
	if err != nil {
		return nil, err
	}
	var all []net.PacketConn
	var failure error
	if err := raw.Control(func(fd uintptr) { all, failure = siblings(int(fd), n) }); err != nil {
		return nil, err
	}
	return all, failure
}

func siblings(first, n int) (all []net.PacketConn, failure error) {
	switch shared, err := unix.GetsockoptInt(first, unix.SOL_SOCKET, unix.SO_REUSEPORT); {
	case err != nil:
		return nil, os.NewSyscallError("getsockopt", err)
	case shared != 0:
		return nil, ErrNoSiblings // whoever bound it has others of it
	}
	if err := unix.SetsockoptInt(first, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	defer func() {
		if failure == nil {
			return
		}
		for _, conn := range all {
			_ = conn.Close() // nothing has come yet
		}
		all = nil
		_ = unix.SetsockoptInt(first, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0) // what could be set can be unset
	}()
	for range n {
		conn, err := sibling(first)
		if err != nil {
			return all, err
		}
		all = append(all, conn)
	}
	forget(first)
	return all, nil
}

// maxForgotten is more than fits into any socket's buffer that nobody has read.
const maxForgotten = 1 << 16

// forget drops what a socket has received.
func forget(fd int) {
	for range maxForgotten {
		if _, _, err := unix.Recvfrom(fd, nil, unix.MSG_DONTWAIT|unix.MSG_TRUNC); errors.Is(err, unix.EAGAIN) {
			return // another error is about a datagram that was sent, and is forgotten, too
		}
	}
}

// sibling opens and binds one of them.
func sibling(first int) (net.PacketConn, error) {
	family, err := unix.GetsockoptInt(first, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	addr, err := unix.Getsockname(first)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "sibling")
	defer func() { _ = file.Close() }() // what is returned has a descriptor of its own
	for _, o := range alike {
		if err := copyOption(fd, first, o.level, o.option); err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(fd, addr); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	return net.FilePacketConn(file)
}

// copyOption gives a socket an option that another one has and it has not.
func copyOption(to, from, level, option int) error {
	wanted, err := unix.GetsockoptInt(from, level, option)
	if err != nil {
		return nil // not an option here: of another family, or of a later kernel
	}
	if has, err := unix.GetsockoptInt(to, level, option); err == nil && has == wanted {
		return nil
	}
	err = unix.SetsockoptInt(to, level, option, wanted)
	if errors.Is(err, syscall.ENOPROTOOPT) {
		return nil
	}
	return err
}
