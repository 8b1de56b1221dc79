package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Allocation makes an allocation at the server on a UDP address and gives it back. An error names the step that failed.
func Allocation(ctx context.Context, server netip.AddrPort, username, password string, six bool) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", server.String())
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	c := New(conn, false)
	defer func() { _ = c.Close() }() // there is nothing to lose
	if err := c.Challenge(ctx); err != nil {
		return fmt.Errorf("challenge: %w", err)
	}
	c.As(username, password)
	if _, err := c.Allocate(ctx, six); err != nil {
		return fmt.Errorf("allocate: %w", err)
	}
	if err := c.Refresh(ctx, 0); err != nil {
		return fmt.Errorf("deallocate: %w", err)
	}
	return nil
}

// Mapped asks a STUN server under which address it sees a new UDP socket, twice at most. It returns that and the socket's own.
func Mapped(ctx context.Context, server string) (mapped, local netip.AddrPort, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", server)
	if err != nil {
		return mapped, local, err
	}
	c := New(conn, false)
	c.wait *= 3 // half of the three seconds that it is given
	defer func() { _ = c.Close() }()
	if mapped, err = c.Binding(ctx); err != nil {
		return mapped, local, err
	}
	return mapped, conn.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}

// Near returns the address under which a listener of this host is reached from this host.
func Near(listener netip.AddrPort) netip.AddrPort {
	addr := listener.Addr().Unmap()
	if addr.IsUnspecified() {
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1}) // [::] takes IPv4, too
	}
	return netip.AddrPortFrom(addr, listener.Port())
}
