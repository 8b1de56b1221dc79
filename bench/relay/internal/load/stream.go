//go:build linux

package load

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dialPatience = 10 * time.Second
	backlogLimit = 256 << 10 // bytes that wait for a socket's buffer, above which packets are lost
	streamBuffer = 128 << 10
)

// stream is a connection to a server, over TLS or not, whose socket is never waited for once it is set up.
type stream struct {
	socket *socket
	secure *tls.Conn // nil without TLS

	mu sync.Mutex // serializes writers

	in         []byte
	start, end int // of what was read into it and is not yet taken
}

// connectStream connects, and shakes hands where there is TLS.
func connectStream(from netip.Addr, server netip.AddrPort, secure bool) (*stream, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &stream{socket: &socket{fd: fd}, in: make([]byte, streamBuffer)}
	if err := s.connect(from, server, secure); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stream) connect(from netip.Addr, server netip.AddrPort, secure bool) error {
	fd := s.socket.fd
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // a connected TCP socket knows it
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()}); err != nil {
		return err
	}
	if err := unix.Connect(fd, socketAddress(server)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	if err := await(fd, unix.POLLOUT, time.Now().Add(dialPatience)); err != nil {
		return err
	}
	if code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
		return fmt.Errorf("connect to %v: %w", server, errors.Join(err, unix.Errno(code)))
	}
	if !secure {
		return nil
	}
	s.socket.patience = dialPatience
	s.secure = tls.Client(s.socket, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) // the certificate is the bench's own
	err := s.secure.Handshake()
	s.socket.patience = 0
	return err
}

func isStream(l link) bool { _, ok := l.(*stream); return ok }

func (s *stream) descriptor() int { return s.socket.fd }

func (s *stream) close() { _ = s.socket.Close() } // there is nothing to lose

// write sends frames, unless too many wait already.
func (s *stream) write(frames []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.socket.waiting() > backlogLimit {
		return unix.EAGAIN
	}
	var err error
	if s.secure != nil {
		_, err = s.secure.Write(frames)
	} else {
		_, err = s.socket.Write(frames)
	}
	return err
}

// flush sends what waits.
func (s *stream) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.socket.flush() // the next write says it
}

// fill reads what has come, and reports whether there was anything. TLS hands out a record at a time, and epoll knows nothing of
// those it keeps: so it is asked until there is nothing.
func (s *stream) fill() (bool, error) {
	s.end = copy(s.in, s.in[s.start:s.end])
	s.start = 0
	var n int
	var err error
	if s.secure != nil {
		n, err = s.secure.Read(s.in[s.end:])
	} else {
		n, err = s.socket.Read(s.in[s.end:])
	}
	s.end += n
	if errors.Is(err, errNothing) {
		err = nil
	}
	return n > 0, err
}

// next takes a message, valid until fill is called, or nil.
func (s *stream) next() []byte {
	b := s.in[s.start:s.end]
	n := frameSize(b)
	if n == 0 || len(b) < n {
		return nil
	}
	s.start += n
	return b[:n:n]
}

// frameSize returns the size of the first frame with its padding, or 0 if its head is not there yet.
func frameSize(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	if b[0] < 4 {
		return headerSize + size
	}
	return 4 + (size+3)&^3
}

func (s *stream) read(deadline time.Time) ([]byte, error) {
	if m := s.next(); m != nil {
		return slices.Clone(m), nil
	}
	if err := await(s.socket.fd, unix.POLLIN, deadline); err != nil {
		return nil, err
	}
	if _, err := s.fill(); err != nil {
		return nil, err
	}
	return slices.Clone(s.next()), nil
}

// errNothing is what a read of an empty socket returns; crypto/tls takes a temporary error for no end.
var errNothing net.Error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing has come" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// socket is a net.Conn that does not wait, but while patience is set. What does not fit into its buffer waits here.
type socket struct {
	fd       int
	patience time.Duration
	backlog  []byte // guarded by the writer's mutex
	net.Conn        // nothing else is called
}

func (s *socket) Read(b []byte) (int, error) {
	for deadline := time.Now().Add(s.patience); ; {
		n, err := unix.Read(s.fd, b)
		switch {
		case err == nil && n == 0:
			return 0, io.EOF
		case err == nil:
			return n, nil
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return 0, err
		case s.patience == 0 || time.Now().After(deadline):
			return 0, errNothing
		}
		if err := await(s.fd, unix.POLLIN, deadline); err != nil {
			return 0, err
		}
	}
}

func (s *socket) Write(b []byte) (int, error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	n := 0
	if len(s.backlog) == 0 {
		var err error
		if n, err = unix.Write(s.fd, b); err != nil {
			if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
				return 0, err
			}
			n = 0
		}
	}
	s.backlog = append(s.backlog, b[n:]...)
	return len(b), nil
}

func (s *socket) flush() error {
	if len(s.backlog) == 0 {
		return nil
	}
	n, err := unix.Write(s.fd, s.backlog)
	if err != nil {
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			return nil
		}
		return err
	}
	if s.backlog = s.backlog[n:]; len(s.backlog) == 0 {
		s.backlog = nil
	}
	return nil
}

func (s *socket) waiting() int { return len(s.backlog) }

func (s *socket) Close() error { return unix.Close(s.fd) }

// SetDeadline and the others are for crypto/tls, which sets some as it closes.
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }
