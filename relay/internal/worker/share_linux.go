package worker

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// canShare says that connections can be made from the port of a listener.
const canShare = true

// soReusePort is SO_REUSEPORT, which package syscall does not name on every architecture.
const soReusePort = 15

// sharePort lets connections be made from the port of a listener that is bound already: so nobody else
// could bind the port before.
func sharePort(l *net.TCPListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	return sharePortOf("", "", raw)
}

// sharePortOf does it for a socket that will be connected.
func sharePortOf(_, _ string, raw syscall.RawConn) error {
	var failure error
	err := raw.Control(func(fd uintptr) {
		failure = os.NewSyscallError("setsockopt", errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1),
		))
	})
	return errors.Join(err, failure)
}
