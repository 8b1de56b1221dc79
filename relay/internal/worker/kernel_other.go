//go:build !linux || 386 || s390x

package worker

import "syscall"

// tellsDrops says that the system counts what a socket had no room for.
const tellsDrops = false

func socketDrops(syscall.RawConn) (uint32, bool) { return 0, false }
