//go:build !linux

package worker

import (
	"errors"
	"net/netip"
)

// canSetDF says that a datagram can be sent with the DF bit.
const canSetDF = false

type portOS struct{}

func (*portOS) init(*port) error { return nil }

// receive waits for a datagram. The buffer goes back to payloads.
func (p *port) receive() (*payload, int, netip.AddrPort, error) {
	buf := payloads.Get().(*payload)
	n, from, err := p.conn.ReadFromUDPAddrPort(buf[:])
	if err != nil {
		payloads.Put(buf)
		return nil, 0, netip.AddrPort{}, err
	}
	return buf, n, from, nil
}

// report finds nothing: ICMP errors are not told here.
func (*port) report(*outbox) int { return 0 }

func (*port) writeDF([]byte, netip.AddrPort) error { return errors.ErrUnsupported }
