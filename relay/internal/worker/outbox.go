package worker

import (
	"net/netip"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// outbox holds what the engine answered to one packet until the lock is let go. Each goroutine that
// feeds the engine has its own.
type outbox struct {
	w         *Worker
	buf       []byte // datagrams for clients, one behind the other
	datagrams []datagram
	rest      []func() // to be done last: what closes something, or logs
}

// datagram is for a client, if there is a listener, or for a peer.
type datagram struct {
	to         netip.AddrPort
	local      netip.Addr // of this host, that the client knows
	listener   *listener
	start, end int // of it in the outbox's buf
	port       *port
	body       []byte // in the buffer of whoever fed the engine
	df         bool
}

// largeOutbox is how much room is kept for the next packet.
const largeOutbox = 64 << 10

// flush sends everything. The worker's lock is not held.
func (o *outbox) flush() {
	for i := range o.datagrams {
		d := &o.datagrams[i]
		if d.listener != nil {
			d.listener.send(o.buf[d.start:d.end], pair{d.to, d.local})
		} else {
			d.port.write(d.body, d.to, d.df)
		}
		*d = datagram{}
	}
	o.datagrams = o.datagrams[:0]
	o.buf = o.buf[:0]
	if cap(o.buf) > largeOutbox {
		o.buf = nil
	}
	if len(o.rest) > 0 {
		rest := o.rest
		o.rest = nil
		for _, f := range rest {
			f()
		}
	}
}

// later puts off something that may take a while.
func (o *outbox) later(f func()) { o.rest = append(o.rest, f) }

// ToClient implements [turn.Sink].
func (w *Worker) ToClient(c turn.Client, p turn.Packet) {
	if c.Transport != turn.UDP {
		if client := w.clients[c.Conn]; client != nil && !client.queue.push(p) {
			w.drop("client-queue-full")
		}
		return
	}
	if l := w.listeners[c.Listener]; l != nil {
		o := w.out
		start := len(o.buf)
		o.buf = p.AppendTo(o.buf)
		o.datagrams = append(o.datagrams, datagram{to: c.Addr, local: c.Local, listener: l, start: start, end: len(o.buf)})
	}
}

// Across implements [turn.Sink]; a relay of one worker has nothing to hand across.
func (w *Worker) Across(int, netip.AddrPort, netip.AddrPort, []byte) {
	panic("worker: the directory knows another engine")
}
