package packet

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CanSetDF says that single datagrams can be sent with the DF bit.
const CanSetDF = true

// setOptions sets those of a socket.
func setOptions(conn *net.UDPConn, s *Socket) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { failure = s.setOptions(int(fd)) })
	return errors.Join(err, failure)
}

func (s *Socket) setOptions(fd int) error {
	set := func(level, option int) error {
		return os.NewSyscallError("setsockopt", setInt(fd, level, option, 1))
	}
	var faults []error
	if s.options.Errors {
		if s.six {
			faults = append(faults, set(unix.IPPROTO_IPV6, unix.IPV6_RECVERR))
		}
		if err := set(unix.IPPROTO_IP, unix.IP_RECVERR); !s.six {
			faults = append(faults, err)
		}
	}
	if s.options.Local {
		if s.six {
			faults = append(faults, set(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO))
		} else {
			faults = append(faults, set(unix.IPPROTO_IP, unix.IP_PKTINFO))
		}
	}
	for _, room := range []struct{ size, force, option int }{
		{s.options.Receive, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF},
		{s.options.Send, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF},
	} {
		if room.size > 0 && setInt(fd, unix.SOL_SOCKET, room.force, room.size) != nil { // that is for administrators
			_ = setInt(fd, unix.SOL_SOCKET, room.option, room.size) // what the system grants must do
		}
	}
	if s.options.Fragment {
		faults = append(faults, s.discover(fd, unix.IP_PMTUDISC_DONT, 0))
	}
	return errors.Join(faults...)
}

// setInt sets an option without telling Go's scheduler: it does not wait.
func setInt(fd, level, option, value int) error {
	v := int32(value)
	_, _, code := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	if code != 0 {
		return code
	}
	return nil
}

// discover sets what the socket does about a path's MTU.
func (s *Socket) discover(fd, how, noFragments int) error {
	if s.six {
		return os.NewSyscallError("setsockopt", errors.Join(
			setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, how),
			setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, noFragments),
		))
	}
	return os.NewSyscallError("setsockopt", setInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how))
}

// probing calls f while what the socket sends has the DF bit, whatever is known of the path: the client wants to find
// out. Another goroutine's datagrams may get it, too.
func (s *Socket) probing(fd int, f func()) {
	_ = s.discover(fd, unix.IP_PMTUDISC_PROBE, 1) // what worked once works again
	f()
	_ = s.discover(fd, unix.IP_PMTUDISC_DONT, 0)
}

// control calls f with the socket's descriptor.
func (s *Socket) control(f func(fd int)) error {
	if s.plain == nil {
		fd, err := s.use()
		if err != nil {
			return err
		}
		defer s.done()
		f(fd)
		return nil
	}
	conn, ok := s.plain.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

// granted returns the size of the receive buffer: half of what the kernel says, since that counts its own administration
// (socket(7), SO_RCVBUF).
func (s *Socket) granted() (size int, ok bool) {
	err := s.control(func(fd int) {
		var failure error
		size, failure = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		ok = failure == nil
	})
	return size / 2, ok && err == nil
}

// Origins of extended errors, linux/errqueue.h, and the size of struct sock_extended_err.
const (
	originICMP        = 2
	originICMP6       = 3
	sizeofExtendedErr = 16
)

// maxFailures is how many errors are read at once, so that a peer that causes many does not hold up others.
const maxFailures = 64

// failures empties the socket's error queue, which says so only while it is not empty. It returns how much was in it, which need
// not all be ICMP's.
func (s *Socket) failures(into []Failure) (all []Failure, n int) {
	var body [1]byte // of the datagram that the error is about; nobody wants it
	var control [512]byte
	all = into
	_ = s.control(func(fd int) { // a closed socket has no errors
		for n < maxFailures {
			_, size, _, to, err := unix.Recvmsg(fd, body[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			n++
			if f, ok := failureOf(control[:size]); ok {
				f.To = plain(addrOf(to))
				all = append(all, f)
			}
		}
	})
	return all, n
}

// failureOf returns the ICMP error in the control messages of an error queue's message.
func failureOf(control []byte) (Failure, bool) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return Failure{}, false
	}
	for _, m := range messages {
		four := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		six := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if !four && !six || len(m.Data) < sizeofExtendedErr {
			continue
		}
		if origin := m.Data[4]; origin == originICMP || origin == originICMP6 {
			return Failure{Type: m.Data[5], Code: m.Data[6], Info: binary.NativeEndian.Uint32(m.Data[8:])}, true
		}
	}
	return Failure{}, false
}

// addrOf returns a socket address.
func addrOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
