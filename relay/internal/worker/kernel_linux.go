//go:build linux && !386 && !s390x

package worker

import (
	"syscall"
	"unsafe"
)

// tellsDrops says that the system counts what a socket had no room for.
const tellsDrops = true

const (
	soMemInfo    = 55 // SO_MEMINFO, asm-generic/socket.h; the few others have another number and tell nothing
	memInfoWords = 9  // SK_MEMINFO_VARS, linux/sock_diag.h
	memInfoDrops = 8  // SK_MEMINFO_DROPS
)

// socketDrops returns how many datagrams a socket had no room for.
func socketDrops(raw syscall.RawConn) (drops uint32, ok bool) {
	err := raw.Control(func(fd uintptr) {
		var words [memInfoWords]uint32
		size := uint32(unsafe.Sizeof(words))
		_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, fd, syscall.SOL_SOCKET, soMemInfo,
			uintptr(unsafe.Pointer(&words)), uintptr(unsafe.Pointer(&size)), 0)
		drops, ok = words[memInfoDrops], errno == 0 && size == uint32(unsafe.Sizeof(words))
	})
	return drops, ok && err == nil
}
