//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package oneport

import (
	"errors"
	"io"
	"net"
	"syscall"
)

const canPeek = true

// peekSocket waits for the first byte, and leaves it where it is.
func peekSocket(conn *net.TCPConn) (byte, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var first [1]byte
	var n int
	var fault error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, fault = syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK)
			switch {
			case errors.Is(fault, syscall.EINTR):
				continue
			case errors.Is(fault, syscall.EAGAIN):
				return false
			}
			return true
		}
	})
	switch {
	case err != nil:
		return 0, err
	case fault != nil:
		return 0, fault
	case n == 0:
		return 0, io.EOF
	}
	return first[0], nil
}
