//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package oneport

import (
	"errors"
	"net"
)

const canPeek = false

func peekSocket(*net.TCPConn) (byte, error) { return 0, errors.ErrUnsupported }
