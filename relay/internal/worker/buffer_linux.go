package worker

import "syscall"

// readBuffer returns the size of a socket's receive buffer: half of what the kernel says, since it counts its own
// administration, too (socket(7), SO_RCVBUF).
func readBuffer(socket any) (size int, ok bool) {
	conn, ok := socket.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		ok = err == nil
	})
	return size / 2, ok && err == nil
}
