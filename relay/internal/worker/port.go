package worker

import (
	"net/netip"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// port is a UDP relay socket. It has no worker's lock when it changes hands: nobody else knows it then.
type port struct {
	w      *Worker // another one once it is claimed there
	socket *packet.Socket
	number uint16
	family turn.Family
	relay  *turn.Relay // set by start
}

// start begins to pass on what arrives. w.mu is held.
func (p *port) start(r *turn.Relay) error {
	p.relay = r
	return p.w.sockets.Start(p.socket, p)
}

// Send implements [turn.Port].
func (p *port) Send(peer netip.AddrPort, body []byte, df bool) {
	p.w.out.Add(p.socket, packet.Message{To: peer, Body: body, DF: df})
}

// Close implements [turn.Port]; the port is free when the lock is let go.
func (p *port) Close() {
	p.w.later(func() {
		p.w.kernel.Add(uint64(p.socket.Lost()))
		_ = p.socket.Close() // the port is free either way
		p.w.crew.pools[p.family-1].udp.release(p.number)
	})
}

// Release implements [turn.Kept].
func (p *port) Release() { p.Close() }
