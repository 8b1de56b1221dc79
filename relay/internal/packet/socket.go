package packet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
)

// Socket is a UDP socket. It may be used concurrently.
type Socket struct {
	options Options
	addr    netip.AddrPort
	six     bool      // of IPv6, which may take IPv4 as well
	plain   plainConn // in mode Plain
	batch   batchSocket
	lost    atomic.Uint32 // what the system counts and was told of

	ended   chan struct{} // of an adopted one; closed when it is not read any more
	failure error         // why, when it is
}

// plainConn is what package net has for UDP, or what looks like it.
type plainConn interface {
	ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error)
	Close() error
}

// Addr returns the address that the socket is bound to.
func (s *Socket) Addr() netip.AddrPort { return s.addr }

// Tag returns what Arrival says of the socket.
func (s *Socket) Tag() any { return s.options.Tag }

// Lost returns how many datagrams the system has dropped, since there was no room in the socket's buffer, that neither an Arrival nor an
// earlier call has told of. Only Linux tells.
func (s *Socket) Lost() uint32 {
	now, ok := s.drops()
	if !ok {
		return 0
	}
	return s.losses(now)
}

// losses takes note of the system's count, and returns how many are new. Counts may come out of turn.
func (s *Socket) losses(now uint32) uint32 {
	for {
		before := s.lost.Load()
		if int32(now-before) <= 0 {
			return 0
		}
		if s.lost.CompareAndSwap(before, now) {
			return now - before
		}
	}
}

// Buffer returns the size of the socket's receive buffer. Only Linux tells.
func (s *Socket) Buffer() (size int, ok bool) { return s.granted() }

// Wait waits until the socket is closed, which is [ErrClosed], or cannot be read any more. It is for a socket that was adopted and
// started.
func (s *Socket) Wait() error {
	<-s.ended
	return s.failure
}

// Close closes the socket. What is being sent by it still leaves.
func (s *Socket) Close() error {
	if s.plain != nil {
		return s.plain.Close()
	}
	return s.closeBatch()
}

// end says that an adopted socket has been closed, or why it is not read any more.
func (s *Socket) end(failure error) {
	if s.ended != nil {
		s.failure = failure
		close(s.ended)
	}
}

// closed reports whether an error says that a socket is.
func closed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) || errors.Is(err, ErrClosed)
}

// foreign makes a plainConn of any socket whose addresses are UDP's.
type foreign struct{ net.PacketConn }

func (f foreign) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	n, from, err := f.ReadFrom(p)
	if err != nil {
		return n, netip.AddrPort{}, err
	}
	udp, ok := from.(*net.UDPAddr)
	if !ok {
		return 0, netip.AddrPort{}, fmt.Errorf("%v is not a UDP address", from)
	}
	return n, udp.AddrPort(), nil
}

func (f foreign) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	return f.WriteTo(p, net.UDPAddrFromAddrPort(to))
}
