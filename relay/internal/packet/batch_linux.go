//go:build amd64 || arm64

package packet

import (
	"errors"
	"net"
	"os"
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

	of      *batchGroup  // of a group
	slot    uint32       // there
	adopted *net.UDPConn // of none
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
	for {
		n := s.batch.uses.Load()
		if n >= closing {
			return ErrClosed
		}
		if s.batch.uses.CompareAndSwap(n, n+closing) {
			break
		}
	}
	if g := s.batch.of; g != nil {
		g.remove(s)
	}
	var err error
	if s.batch.adopted != nil {
		err = s.batch.adopted.Close()
	}
	if s.batch.uses.Load() == closing {
		s.release()
	}
	return err
}

// adopt takes a descriptor of its own for what is sent, so that the number stands for this socket as long as it is used.
func (s *Socket) adopt(conn *net.UDPConn, mode Mode) error {
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
	s.batch.fd, s.batch.adopted = fd, conn
	s.offload(mode)
	return nil
}

// offload turns on what the system has of offloads.
func (s *Socket) offload(mode Mode) {
	fd := s.batch.fd
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1) // a count less where it fails
	if mode != Offload {
		return
	}
	if _, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT); err == nil {
		s.batch.segment.Store(maxDatagram)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) // they come singly where it fails
}

// serveBatches waits by Go's poller, which tells once that something has come.
func (s *Socket) serveBatches(handle Handler, lost Lost) error {
	raw, err := s.batch.adopted.SyscallConn()
	if err != nil {
		return err
	}
	in, out := newReader(), NewOutbox(lost)
	arrivals := make([]Arrival, 1)
	var patience pause
	var failure error
	err = raw.Read(func(fd uintptr) bool {
		for {
			in.reset()
			a := &arrivals[0]
			*a = Arrival{Socket: s, Tag: s.options.Tag}
			var more bool
			var errors int
			a.Datagrams, a.Lost, more, failure = in.receive(int(fd), s, batchSize)
			if s.options.Errors && (failure != nil || !more) {
				a.Failures, errors = s.failures(nil)
			}
			if len(a.Datagrams)+len(a.Failures) > 0 {
				handle(out, arrivals)
				out.Flush()
			}
			switch {
			case failure == nil || errors > 0:
				patience = 0
				if !more && errors == 0 {
					return false
				}
			case !patience.wait(): // the system is short of something, and remains so
				return true
			}
		}
	})
	switch {
	case closed(err):
		return ErrClosed
	case failure != nil:
		return os.NewSyscallError("recvmmsg", failure)
	}
	return err
}

// call is a system call that does not wait.
func call(trap uintptr, fd int, headers *header, n int, flags uintptr) (int, syscall.Errno) {
	done, _, code := unix.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(headers)), uintptr(n), flags, 0, 0)
	return int(done), code
}
