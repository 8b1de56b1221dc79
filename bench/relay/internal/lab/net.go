//go:build linux

package lab

import "net/netip"

// Net is a network with three places.
type Net struct {
	Name string // loopback or veth

	Client, Peer  netip.Addr // where those are; clients have others, too
	Server, Relay netip.Addr // the relay's, for clients and for peers

	client, server, peer *namespace // nil: the one that the process is in
}

// Loopback returns one in which all places are this host's.
func Loopback() *Net {
	a := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	return &Net{Name: "loopback", Client: a, Server: a, Relay: a, Peer: a}
}

// ClientAt returns the address of the nth client. On loopback each has its own, so that they are as many strangers to a relay, which
// answers those of one address only so often.
func (n *Net) ClientAt(i int) netip.Addr {
	if n.client != nil {
		return n.Client
	}
	return netip.AddrFrom4([4]byte{127, byte(16 + i>>16), byte(i >> 8), byte(i)})
}

// AtClient runs a function in the place of clients: sockets that it opens are there, and so are processes that it starts.
func (n *Net) AtClient(f func() error) error { return n.client.run(f) }

// AtServer runs a function in the place of the relay.
func (n *Net) AtServer(f func() error) error { return n.server.run(f) }

// AtPeer runs a function in the place of peers.
func (n *Net) AtPeer(f func() error) error { return n.peer.run(f) }

// Close lets go of it. Once nothing uses it any longer the kernel removes it.
func (n *Net) Close() {
	for _, ns := range []*namespace{n.client, n.server, n.peer} {
		ns.close()
	}
}
