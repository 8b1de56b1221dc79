package worker

import (
	"net"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// listener is a UDP socket that clients send to, over DTLS or not.
type listener struct {
	w        *Worker
	socket   *packet.Socket
	number   uint32
	sessions sessions
}

// ServePackets serves a UDP socket until reading from it fails or the worker is closed, and closes it.
func (w *Worker) ServePackets(socket net.PacketConn) error {
	l := &listener{w: w}
	l.sessions.byAddr = make(map[pair]*session)
	if err := w.enter(socket); err != nil {
		_ = socket.Close() // there is no more use for it, nor for the error
		return err
	}
	defer w.leave(socket)
	if sized, ok := socket.(interface{ SetReadBuffer(int) error }); ok {
		_ = sized.SetReadBuffer(listenerBuffer) // what the system grants must do
	}
	adopted, err := packet.Adopt(socket, w.cfg.Mode, packet.Options{Local: unspecified(socket.LocalAddr()), Tag: l})
	if err != nil {
		return err
	}
	l.socket = adopted
	w.buffers.listeners.Do(func() { w.checkBuffer(adopted, listenerBuffer, "listener") })
	w.mu.Lock()
	w.lastNumber++
	l.number = w.lastNumber
	w.listeners[l.number] = l
	w.mu.Unlock()
	err = l.socket.Serve(l.receive, w.lost)
	l.close()
	w.kernel.Add(uint64(l.socket.Lost()))
	_ = l.socket.Close() // nothing is sent by it any more
	return w.ending(err)
}

// receive feeds the engine, and DTLS.
func (l *listener) receive(out *packet.Outbox, arrivals []packet.Arrival) {
	datagrams := arrivals[0].Datagrams
	l.w.kernel.Add(uint64(arrivals[0].Lost))
	l.w.feed(out, func(e *turn.Engine, now time.Time) {
		for i := range datagrams {
			d := &datagrams[i]
			if !l.secure(d) {
				e.FromClient(now, turn.Client{Addr: d.From, Local: d.To, Transport: turn.UDP, Listener: l.number}, d.Body)
			}
		}
	})
	for i := range datagrams {
		if d := &datagrams[i]; l.secure(d) {
			l.handOver(d.Body, pair{d.From, d.To})
		}
	}
}

// secure says whether a datagram is one of DTLS.
func (l *listener) secure(d *packet.Datagram) bool {
	return l.w.dtls.enabled() && len(d.Body) > 0 && isDTLS(d.Body[0])
}

// pair is where a client is, and the address of this host that it knows.
type pair struct {
	client netip.AddrPort
	local  netip.Addr
}

// send sends a datagram to a client.
func (l *listener) send(p []byte, to pair) {
	out := l.w.outs.Get().(*packet.Outbox)
	out.Add(l.socket, packet.Message{To: to.client, From: to.local, Body: p})
	out.Flush()
	l.w.outs.Put(out)
}

// close ends what the clients of the socket have.
func (l *listener) close() {
	l.sessions.close()
	l.w.do(func(e *turn.Engine, _ time.Time) {
		var clients []turn.Client
		e.Allocations(func(i turn.Info) {
			if i.Client.Transport == turn.UDP && i.Client.Listener == l.number {
				clients = append(clients, i.Client)
			}
		})
		for _, c := range clients {
			e.Gone(c)
		}
		delete(l.w.listeners, l.number)
	})
}

// unspecified reports whether a socket is one of every address of this host.
func unspecified(addr net.Addr) bool {
	udp, ok := addr.(*net.UDPAddr)
	return ok && udp.IP.IsUnspecified()
}
