package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// retry is how long a packet from outside may take before it is sent again.
const retry = 200 * time.Millisecond

// outside sends a packet to the relayed address as a peer does, from a socket that knows nothing of the relay, and one back: the only step
// whose packets go through the relay's own ports.
func (c *check) outside(s *Step) {
	s.Name = "from outside"
	relayed, own := c.relayed[0], c.mapped.Addr()
	switch {
	case own == relayed.Addr() || own == c.addr.Addr() || isLocal(own) && !isLocal(c.addr.Addr()):
		s.skip(fmt.Sprintf("the server sees this host as %v, its own or next to it: run the check from elsewhere to test the relay's ports", own))
		return
	case own.Is4() != relayed.Addr().Is4():
		s.skip(fmt.Sprintf("the server sees this host as %v, which cannot send to %v: give a URL with an address of the other family", own, relayed))
		return
	}
	ctx, cancel := c.bounded()
	defer cancel()
	err := c.first.Permit(ctx, c.mapped)
	if CodeOf(err) == 403 {
		s.skip(fmt.Sprintf("the relay denies this host, %v, as a peer (it is private, the relay's own, or denied by a rule): run the check from elsewhere to test the relay's ports", own))
		return
	}
	if err != nil {
		s.fail(err, "the server does not do permissions as it should (RFC 8656 section 10)")
		return
	}
	network := "udp4"
	if own.Is6() {
		network = "udp6"
	}
	socket, err := net.ListenUDP(network, nil)
	if err != nil {
		s.fail(err, "this host has no UDP of this family")
		return
	}
	defer func() { _ = socket.Close() }() // it is of no more use
	peer, err := c.first.reached(ctx, socket, relayed)
	if err != nil {
		cure := "a firewall, or the cloud's security group, drops UDP to the relay's ports (--ports, --relay-ports), or a 1:1 NAT does not lead them there (--public-ip)"
		if c.stream() {
			cure += "; or this host's own network lets no UDP out"
		}
		s.fail(fmt.Errorf("what this host sends to %v does not arrive: %w", relayed, err), cure)
		return
	}
	if err := c.outwards(ctx, socket, peer); err != nil {
		s.fail(fmt.Errorf("what the relay sends from %v to %v does not arrive: %w", relayed, peer, err),
			"a firewall drops what the relay sends from its ports, or a NAT in front of it makes another address of them (--public-ip)")
		return
	}
	s.Found = fmt.Sprintf("%v reaches %v, and back", peer, relayed)
}

// outwards has the relay send packets to the socket until one has come.
func (c *check) outwards(ctx context.Context, socket *net.UDPConn, peer netip.AddrPort) error {
	payload, buf := []byte(rand.Text()), make([]byte, 1500)
	for ctx.Err() == nil {
		if err := c.first.SendTo(peer, payload, time.Now().Add(c.Timeout)); err != nil {
			return err
		}
		if err := socket.SetReadDeadline(time.Now().Add(retry)); err != nil {
			return err
		}
		for {
			n, from, err := socket.ReadFromUDPAddrPort(buf)
			if isTimeout(err) {
				break
			}
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			switch {
			case err != nil:
				return err
			case bytes.Equal(buf[:n], payload) && from == c.relayed[0]:
				return nil
			case bytes.Equal(buf[:n], payload):
				return fmt.Errorf("it comes from %v", from)
			}
		}
	}
	return silence(ctx, ctx.Err())
}

// skip ends a step that cannot be done.
func (s *Step) skip(why string) { s.Skipped, s.Found = true, why }

// SendTo sends a payload to a peer that there is a permission for.
func (c *Client) SendTo(peer netip.AddrPort, p []byte, until time.Time) error {
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), peerAddress(peer),
		stun.RawAttribute{Type: stun.AttrData, Value: p})
	if err != nil {
		return err
	}
	return c.send(m.Raw, until)
}

// ReadFrom returns the next payload of a peer that has no channel, and whose it is.
func (c *Client) ReadFrom(until time.Time) (netip.AddrPort, []byte, error) {
	for {
		p, err := c.next(until)
		if err != nil {
			return netip.AddrPort{}, nil, err
		}
		m := stun.New()
		if len(p) < 20 || p[0] > 3 || stun.Decode(p, m) != nil || m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
			continue
		}
		peer, peerErr := addressIn(m, stun.AttrXORPeerAddress)
		payload, dataErr := m.Get(stun.AttrData)
		if err := errors.Join(peerErr, dataErr); err != nil {
			return peer, nil, err
		}
		return peer, payload, nil
	}
}
