package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"time"
)

// Facing returns a view of a socket that sends to one address and hears that one alone, so that several servers can be asked about one socket. One view
// may be used at a time; closing it does not close the socket.
func Facing(socket *net.UDPConn, to netip.AddrPort) net.Conn { return &facing{UDPConn: socket, to: to} }

type facing struct {
	*net.UDPConn
	to netip.AddrPort
}

// Write implements net.Conn.
func (f *facing) Write(p []byte) (int, error) { return f.WriteToUDPAddrPort(p, f.to) }

// Read implements net.Conn.
func (f *facing) Read(p []byte) (int, error) {
	for {
		n, from, err := f.ReadFromUDPAddrPort(p)
		if err != nil || netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) == f.to {
			return n, err
		}
	}
}

// Close implements net.Conn.
func (f *facing) Close() error { return nil }

// SeenFrom tells under which address a socket is seen by peers at the relayed address of an allocation: from another port than the STUN server's. The
// client has the allocation, and mapped is how the STUN server sees the socket.
func (c *Client) SeenFrom(ctx context.Context, socket *net.UDPConn, relayed, mapped netip.AddrPort) (netip.AddrPort, error) {
	if err := c.Permit(ctx, mapped); err != nil {
		return netip.AddrPort{}, err
	}
	return c.reached(ctx, socket, relayed)
}

// reached sends packets from a socket to the relayed address until one has come to the client, and returns where the relay has it from.
func (c *Client) reached(ctx context.Context, socket *net.UDPConn, relayed netip.AddrPort) (netip.AddrPort, error) {
	payload := []byte(rand.Text())
	for ctx.Err() == nil {
		if _, err := socket.WriteToUDPAddrPort(payload, relayed); err != nil {
			return netip.AddrPort{}, err
		}
		for until := time.Now().Add(retry); ; {
			peer, p, err := c.ReadFrom(until)
			switch {
			case err == nil && bytes.Equal(p, payload):
				return peer, nil
			case err == nil:
				continue
			case !isTimeout(err):
				return netip.AddrPort{}, err
			}
			break
		}
	}
	return netip.AddrPort{}, silence(ctx, ctx.Err())
}
