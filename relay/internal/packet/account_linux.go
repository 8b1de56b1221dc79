//go:build !386 && !s390x

package packet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	memInfoWords = 9 // SK_MEMINFO_VARS, linux/sock_diag.h
	memInfoDrops = 8 // SK_MEMINFO_DROPS
)

// drops returns how many datagrams a socket had no room for.
func (s *Socket) drops() (drops uint32, ok bool) {
	err := s.control(func(fd int) {
		var words [memInfoWords]uint32
		size := uint32(unsafe.Sizeof(words))
		_, _, code := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&words)), uintptr(unsafe.Pointer(&size)), 0)
		drops, ok = words[memInfoDrops], code == 0 && size == uint32(unsafe.Sizeof(words))
	})
	return drops, ok && err == nil
}
