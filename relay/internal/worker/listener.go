package worker

import (
	"net"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// maxDatagram is the size of the largest datagram there is.
const maxDatagram = 1<<16 - 1

// packetConn is a UDP socket. Local is the address of this host that a datagram came to, or is to be sent from; it is
// not valid if there is but one, or if that cannot be told.
type packetConn interface {
	net.PacketConn
	read(p []byte) (n int, from netip.AddrPort, local netip.Addr, err error)
	write(p []byte, to netip.AddrPort, local netip.Addr) error
}

// listener is a UDP socket that clients send to, over DTLS or not.
type listener struct {
	w        *Worker
	conn     packetConn
	number   uint32
	sessions sessions
}

// ServePackets serves a UDP socket until reading from it fails or the worker is closed, and closes it.
func (w *Worker) ServePackets(socket net.PacketConn) error {
	l := &listener{w: w, conn: packetConnOf(socket)}
	l.sessions.byAddr = make(map[pair]*session)
	if err := w.enter(socket); err != nil {
		_ = socket.Close() // there is no more use for it, nor for the error
		return err
	}
	defer w.leave(socket)
	losses := w.kernel.watch(socket)
	defer losses.unwatch()
	w.setBuffer(socket, listenerBuffer, &w.buffers.listeners, "listener")
	w.mu.Lock()
	w.lastNumber++
	l.number = w.lastNumber
	w.listeners[l.number] = l
	w.mu.Unlock()
	err := l.read()
	l.close()
	return w.ending(err)
}

// read feeds the engine until reading fails for good.
func (l *listener) read() error {
	o := &outbox{w: l.w}
	buf := make([]byte, maxDatagram)
	var patience backoff
	for {
		n, from, local, err := l.conn.read(buf)
		if err != nil {
			if gone(err) || !patience.wait(l.w.done) {
				return err
			}
			l.w.drop("client-read-error")
			continue
		}
		patience = 0
		from = unmapped(from)
		p := buf[:n]
		if l.w.dtls.enabled() && n > 0 && isDTLS(p[0]) {
			l.handOver(p, pair{from, local})
			continue
		}
		client := turn.Client{Addr: from, Local: local, Transport: turn.UDP, Listener: l.number}
		l.w.do(o, func(e *turn.Engine, now time.Time) { e.FromClient(now, client, p) })
	}
}

// pair is where a client is, and the address of this host that it knows.
type pair struct {
	client netip.AddrPort
	local  netip.Addr
}

// send sends a datagram to a client.
func (l *listener) send(p []byte, to pair) {
	if err := l.conn.write(p, to.client, to.local); err != nil {
		l.w.drop("client-write-error")
	}
}

// close ends what the clients of the socket have.
func (l *listener) close() {
	l.sessions.close()
	l.w.do(&outbox{w: l.w}, func(e *turn.Engine, _ time.Time) {
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
