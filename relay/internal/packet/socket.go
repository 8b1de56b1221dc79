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
}

// plainConn is what package net has for UDP, or what looks like it.
type plainConn interface {
	ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error)
	Close() error
}

// Adopt makes a socket of one that is bound already, for [Socket.Serve]. One that is not of package net is used
// in mode Plain.
func Adopt(conn net.PacketConn, mode Mode, options Options) (*Socket, error) {
	s := &Socket{options: options}
	if addr, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		s.addr = plain(addr.AddrPort())
		s.six = addr.AddrPort().Addr().Is6() // of "udp", IPv4 that is bound to no address is [::]
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		if s.plain, ok = conn.(plainConn); !ok {
			s.plain = foreign{conn}
		}
		return s, nil
	}
	if err := setOptions(udp, s); err != nil {
		return nil, err
	}
	if mode == Plain || !canBatch {
		s.plain = udp
		return s, nil
	}
	return s, s.adopt(udp, mode)
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

// Serve calls the handler with what arrives at an adopted socket, until that is closed, which is [ErrClosed], or
// reading fails.
func (s *Socket) Serve(handle Handler, lost Lost) error {
	if s.plain != nil {
		return s.servePlain(handle, lost)
	}
	return s.serveBatches(handle, lost)
}

// Close closes the socket, and the one that was adopted. What is being sent by it still leaves.
func (s *Socket) Close() error {
	if s.plain != nil {
		return s.plain.Close()
	}
	return s.closeBatch()
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
