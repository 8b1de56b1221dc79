//go:build linux

package load

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 64
	roomFor   = 2048 // bytes of a packet
)

// header is struct mmsghdr.
type header struct {
	unix.Msghdr
	size uint32
	_    [4]byte
}

// batch has what the system calls need.
type batch struct {
	headers  [batchSize]header
	parts    [batchSize]unix.Iovec
	controls [batchSize][96]byte
	buffers  [batchSize][roomFor]byte
}

func newBatch() *batch {
	b := &batch{}
	for i := range b.headers {
		b.parts[i].Base = &b.buffers[i][0]
		b.headers[i].Iov = &b.parts[i]
		b.headers[i].SetIovlen(1)
	}
	return b
}

// send sends n packets, whose sizes are set, and returns how many left.
func (b *batch) send(fd, n int, to *unix.RawSockaddrInet4) int {
	for i := range n {
		h := &b.headers[i]
		h.Control = nil
		h.SetControllen(0)
		h.Name, h.Namelen = nil, 0
		if to != nil {
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(to)), unix.SizeofSockaddrInet4
		}
	}
	if n == 1 { // as a client would
		_, _, code := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0].Msghdr)), unix.MSG_DONTWAIT)
		if code != 0 {
			return 0
		}
		return 1
	}
	sent := 0
	for sent < n {
		done, _, code := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[sent])), uintptr(n-sent), unix.MSG_DONTWAIT, 0, 0)
		if code != 0 {
			break
		}
		sent += int(done)
	}
	return sent
}

// receive reads what has come, without waiting, and returns how many.
func (b *batch) receive(fd int) int {
	for i := range b.headers {
		h := &b.headers[i]
		h.Name, h.Namelen = nil, 0
		h.Control = &b.controls[i][0]
		h.SetControllen(len(b.controls[i]))
		b.parts[i].SetLen(roomFor)
	}
	n, _, code := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if code != 0 {
		return 0
	}
	return int(n)
}

// packet returns what was received.
func (b *batch) packet(i int) []byte { return b.buffers[i][:b.headers[i].size] }

// arrived returns when the kernel took in a packet, in nanoseconds of the clock (0: it does not say), and how many the socket
// has lost since it was opened for want of room.
func (b *batch) arrived(i int) (at int64, overrun uint32) {
	c := b.controls[i][:b.headers[i].Controllen]
	for len(c) >= unix.CmsgLen(0) {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || size > len(c) {
			break
		}
		value := c[unix.CmsgLen(0):size]
		switch {
		case h.Level != unix.SOL_SOCKET:
		case h.Type == unix.SO_TIMESTAMPNS && len(value) >= 16:
			at = int64(binary.NativeEndian.Uint64(value))*1e9 + int64(binary.NativeEndian.Uint64(value[8:]))
		case h.Type == unix.SO_RXQ_OVFL && len(value) >= 4:
			overrun = binary.NativeEndian.Uint32(value)
		}
		c = c[min((size+7)&^7, len(c)):]
	}
	return at, overrun
}

// clock returns the time that the kernel's stamps are of.
func clock() int64 { return time.Now().UnixNano() }

// open returns a socket bound to an address, and that with its port.
func open(addr netip.Addr) (int, netip.AddrPort, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	for _, option := range [][2]int{{unix.SO_RCVBUFFORCE, 8 << 20}, {unix.SO_SNDBUFFORCE, 8 << 20}, {unix.SO_TIMESTAMPNS, 1}, {unix.SO_RXQ_OVFL, 1}} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option[0], option[1]); err != nil && option[0] == unix.SO_TIMESTAMPNS {
			_ = unix.Close(fd) // the first error says it all
			return 0, netip.AddrPort{}, err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: addr.As4()}); err != nil {
		_ = unix.Close(fd) // as above
		return 0, netip.AddrPort{}, err
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		_ = unix.Close(fd) // as above
		return 0, netip.AddrPort{}, err
	}
	four, ok := local.(*unix.SockaddrInet4)
	if !ok {
		_ = unix.Close(fd) // as above
		return 0, netip.AddrPort{}, syscall.EAFNOSUPPORT
	}
	return fd, netip.AddrPortFrom(netip.AddrFrom4(four.Addr), uint16(four.Port)), nil
}

// raw returns an address as the system calls want it.
func raw(a netip.AddrPort) *unix.RawSockaddrInet4 {
	port := a.Port()
	return &unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port<<8 | port>>8, Addr: a.Addr().As4()}
}
