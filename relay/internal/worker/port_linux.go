package worker

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// canSetDF says that a datagram can be sent with the DF bit.
const canSetDF = true

// portOS is what a port has on Linux: its socket reports ICMP errors (IP_RECVERR), and a socket that
// waits holds no buffer.
type portOS struct {
	raw  syscall.RawConn
	poll func(fd uintptr) bool // receives, made once

	// What poll found.
	buf  *payload
	size int
	from syscall.Sockaddr
	err  error
}

func (s *portOS) init(p *port) error {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return err
	}
	s.raw, s.poll = raw, s.receive
	var failure error
	err = raw.Control(func(fd uintptr) {
		level, report, discover := syscall.IPPROTO_IP, syscall.IP_RECVERR, syscall.IP_MTU_DISCOVER
		if p.family == turn.IPv6 {
			level, report, discover = syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, syscall.IPV6_MTU_DISCOVER
		}
		failure = errors.Join(
			os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), level, report, 1)),
			os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), level, discover, syscall.IP_PMTUDISC_DONT)),
		)
	})
	return errors.Join(err, failure)
}

// receive is called when there may be something to read.
func (s *portOS) receive(fd uintptr) bool {
	buf := payloads.Get().(*payload)
	for {
		s.size, s.from, s.err = syscall.Recvfrom(int(fd), buf[:], 0)
		switch {
		case errors.Is(s.err, syscall.EINTR):
			continue
		case errors.Is(s.err, syscall.EAGAIN):
			payloads.Put(buf)
			return false
		case s.err != nil:
			payloads.Put(buf)
			return true
		}
		s.buf = buf
		return true
	}
}

// receive waits for a datagram. The buffer goes back to payloads.
func (p *port) receive() (*payload, int, netip.AddrPort, error) {
	s := &p.os
	if err := s.raw.Read(s.poll); err != nil {
		return nil, 0, netip.AddrPort{}, err
	}
	if s.err != nil {
		return nil, 0, netip.AddrPort{}, s.err
	}
	buf := s.buf
	s.buf = nil
	return buf, s.size, addrOf(s.from), nil
}

// addrOf returns a socket address.
func addrOf(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// Origins of extended errors, linux/errqueue.h.
const (
	originICMP  = 2
	originICMP6 = 3
)

// sizeofExtendedErr is that of struct sock_extended_err.
const sizeofExtendedErr = 16

// report tells the engine of the ICMP errors in the socket's error queue, all of them, since an edge
// of the poller tells of the first only. It returns how many messages there were.
func (p *port) report(o *outbox) int {
	var body [1]byte // of the datagram that the error is about; the engine does not want it
	var control [512]byte
	for n := 0; ; n++ {
		var size int
		var to syscall.Sockaddr
		var failure error
		err := p.os.raw.Control(func(fd uintptr) {
			_, size, _, to, failure = syscall.Recvmsg(int(fd), body[:], control[:], syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
		})
		if err != nil || failure != nil {
			return n
		}
		if icmp, ok := icmpOf(control[:size]); ok {
			peer := unmapped(addrOf(to))
			p.w.do(o, func(e *turn.Engine, now time.Time) { e.Unreachable(now, p.relay, peer, icmp) })
		}
	}
}

// icmpOf returns the ICMP error in the control messages of an error queue's message.
func icmpOf(control []byte) (turn.ICMP, bool) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return turn.ICMP{}, false
	}
	for _, m := range messages {
		four := m.Header.Level == syscall.IPPROTO_IP && m.Header.Type == syscall.IP_RECVERR
		six := m.Header.Level == syscall.IPPROTO_IPV6 && m.Header.Type == syscall.IPV6_RECVERR
		if !four && !six || len(m.Data) < sizeofExtendedErr {
			continue
		}
		if origin := m.Data[4]; origin == originICMP || origin == originICMP6 {
			return turn.ICMP{Type: m.Data[5], Code: m.Data[6], MTU: binary.NativeEndian.Uint32(m.Data[8:])}, true
		}
	}
	return turn.ICMP{}, false
}

// writeDF sends one datagram with the DF bit, whatever is known of the path's MTU: the client wants
// to find that out. An allocation's datagrams are sent one at a time, so no other gets the bit.
func (p *port) writeDF(body []byte, to netip.AddrPort) error {
	p.probe(true)
	defer p.probe(false)
	_, err := p.conn.WriteToUDPAddrPort(body, to)
	return err
}

// ipv6DontFrag is IPV6_DONTFRAG, RFC 3542 section 11.2.
const ipv6DontFrag = 62

func (p *port) probe(on bool) {
	discover, fragment := syscall.IP_PMTUDISC_DONT, 0
	if on {
		discover, fragment = syscall.IP_PMTUDISC_PROBE, 1
	}
	_ = p.os.raw.Control(func(fd uintptr) { // what worked once works again
		if p.family == turn.IPv6 {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_MTU_DISCOVER, discover)
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, ipv6DontFrag, fragment)
			return
		}
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, discover)
	})
}
