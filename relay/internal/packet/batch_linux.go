//go:build amd64 || arm64

package packet

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// canBatch says that there is more than mode Plain.
const canBatch = true

// batchSocket is what a socket has in the modes with batches. Its descriptor is used by goroutines that know nothing of each
// other, so it is closed by the last of them.
type batchSocket struct {
	fd      int
	uses    atomic.Int32 // how many use fd; closing is set when it is to be closed
	segment atomic.Int32 // size of the largest datagram that the kernel cuts out of a larger one; 0: it does not

	offload  bool // the mode is Offload
	prepared bool // prepare was called; for the group's goroutine alone, once the socket is started
	grouped  int  // how many datagrams came in one of a larger one, lately; for the group's goroutine alone

	of   atomic.Pointer[batchGroup] // where it is started
	slot uint32                     // there
}

const closing = 1 << 30

// use returns the descriptor, which stays open until done.
func (s *Socket) use() (int, error) {
	if s.batch.uses.Add(1) >= closing {
		s.done()
		return 0, ErrClosed
	}
	return s.batch.fd, nil
}

func (s *Socket) done() {
	if s.batch.uses.Add(-1) == closing {
		s.release()
	}
}

// release closes the descriptor, once.
func (s *Socket) release() {
	if s.batch.uses.CompareAndSwap(closing, closing*3/2) { // so that no later use comes back to closing
		_ = unix.Close(s.batch.fd) // there is nothing to lose
	}
}

func (s *Socket) closeBatch() error {
	fd, err := s.use() // so that the number stays this socket's until it is forgotten
	if err != nil {
		return err
	}
	defer s.done()
	for {
		n := s.batch.uses.Load()
		if n >= closing {
			return ErrClosed
		}
		if s.batch.uses.CompareAndSwap(n, n+closing) {
			break
		}
	}
	if g := s.batch.of.Load(); g != nil {
		g.forget(s)
		_ = unix.EpollCtl(g.fd, unix.EPOLL_CTL_DEL, fd, nil) // closing does it, too
	}
	s.end(ErrClosed)
	return nil
}

// adopt takes a descriptor of its own and closes the other: Go's poller, which knows that, would be woken by every datagram that
// has left.
func (g *Group) adopt(s *Socket, conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var fd int
	var failure error
	err = raw.Control(func(number uintptr) { fd, failure = unix.FcntlInt(number, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, os.NewSyscallError("fcntl", failure)); err != nil {
		return err
	}
	_ = conn.Close() // there is nothing to lose
	s.batch.fd = fd
	s.offload(g.mode)
	s.prepare()
	return nil
}

// offload takes note of what the system has of offloads for sending.
func (s *Socket) offload(mode Mode) {
	s.batch.offload = mode == Offload
	if s.batch.offload && canSegment() {
		s.batch.segment.Store(maxDatagram)
	}
}

// canSegment reports whether the system has UDP_SEGMENT.
var canSegment = sync.OnceValue(func() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }() // there is nothing to lose
	_, err = unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	return err == nil
})

// prepare sets what only matters where much is received. A socket that is opened is prepared when the first datagram has come:
// many never see one.
func (s *Socket) prepare() {
	s.batch.prepared = true
	fd := s.batch.fd
	_ = setInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1) // a count less where it fails
	if s.batch.offload {
		_ = setInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) // they come singly where it fails
	}
}

// call is a system call that does not wait.
func call(trap uintptr, fd int, headers *header, n int, flags uintptr) (int, syscall.Errno) {
	done, _, code := unix.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(headers)), uintptr(n), flags, 0, 0)
	return int(done), code
}
