//go:build !linux

package worker

import (
	"errors"
	"net"
	"syscall"
)

// canShare says that connections can be made from the port of a listener.
const canShare = false

func sharePort(*net.TCPListener) error { return errors.ErrUnsupported }

func sharePortOf(string, string, syscall.RawConn) error { return errors.ErrUnsupported }
