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
	closed   bool // guarded by w.mu; what still arrives is nobody's
	sessions sessions
}

// ServePackets serves a UDP socket, which it takes over, until reading from it fails or the worker is closed, and closes it.
func (w *Worker) ServePackets(conn net.PacketConn) error {
	l := &listener{w: w}
	l.sessions.byAddr = make(map[pair]*session)
	socket, err := w.sockets.Adopt(conn, packet.Options{
		Local: unspecified(conn.LocalAddr()), Receive: listenerBuffer, Send: listenerBuffer, Tag: l,
	})
	if err != nil {
		_ = conn.Close() // the first error says it all
		return err
	}
	l.socket = socket
	if err := w.enter(socket); err != nil {
		_ = socket.Close() // there is no more use for it, nor for the error
		return err
	}
	defer w.leave(socket)
	w.buffers.listeners.Do(func() { w.checkBuffer(socket, listenerBuffer, "listener") })
	w.mu.Lock()
	w.lastNumber++
	l.number = w.lastNumber
	w.listeners[l.number] = l
	w.mu.Unlock()
	if err = w.sockets.Start(socket, l); err == nil {
		err = socket.Wait()
	}
	l.close()
	return w.ending(err)
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
		l.closed = true
	})
}

// unspecified reports whether a socket is one of every address of this host.
func unspecified(addr net.Addr) bool {
	udp, ok := addr.(*net.UDPAddr)
	return ok && udp.IP.IsUnspecified()
}
