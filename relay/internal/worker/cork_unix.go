//go:build unix

package worker

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// canReadNow says that there is readNow.
const canReadNow = true

// errNotNow says that nothing has come.
var errNotNow = errors.New("nothing has come")

// readNow reads what has come.
func readNow(fd uintptr, p []byte) (int, error) {
	for {
		switch n, err := syscall.Read(int(fd), p); {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, errNotNow
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}
