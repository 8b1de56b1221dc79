package worker

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// listener is a UDP socket that clients send to, over DTLS or not: all of a port, or those that the kernel gives to its worker.
type listener struct {
	w        *Worker
	socket   *packet.Socket
	number   uint32
	closed   bool // guarded by w.mu; what still arrives is nobody's
	sessions sessions
}

// ServePackets serves a UDP socket, which it takes over, until reading from it fails or the crew is closed, and closes it. Each worker
// has a socket of its own at its port, if that can be: then the kernel sees to it that what comes from one client
// comes to one worker.
func (c *Crew) ServePackets(conn net.PacketConn) error {
	all, err := c.listen(conn)
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range all {
			l.w.leave(l.socket)
		}
	}()
	ended := make(chan error, len(all))
	var reading sync.WaitGroup
	for _, l := range all { // all of them are bound: the kernel does not divide the clients anew
		if err = l.w.sockets.Start(l.socket, l); err != nil {
			break
		}
		reading.Go(func() { ended <- l.socket.Wait() })
	}
	if err == nil {
		err = <-ended
	}
	for _, l := range all {
		_ = l.socket.Close() // what ends for one ends for all
	}
	reading.Wait()
	for _, l := range all {
		l.close()
	}
	return c.ending(err)
}

// listen opens the sockets of a port, none of which is read yet.
func (c *Crew) listen(conn net.PacketConn) (all []*listener, err error) {
	conns, workers := []net.PacketConn{conn}, c.workers
	if len(workers) > 1 {
		more, err := packet.Siblings(conn, len(workers)-1)
		if err != nil {
			workers = []*Worker{c.pick()}
			c.cfg.Logger.Info("one worker alone serves a UDP socket", "address", conn.LocalAddr(), "workers", len(c.workers), "reason", err)
		}
		conns = append(conns, more...)
	}
	for i, conn := range conns {
		l, fault := workers[i].listen(conn)
		if err = fault; err != nil {
			for _, rest := range conns[i+1:] {
				_ = rest.Close() // the first error says it all
			}
			break
		}
		all = append(all, l)
	}
	if err != nil {
		for _, l := range all {
			l.w.leave(l.socket)
		}
		return nil, err
	}
	c.buffers.listeners.Do(func() { all[0].w.checkBuffer(all[0].socket, listenerBuffer, "listener") })
	for _, l := range all {
		l.enter()
	}
	return all, nil
}

// listen takes over a socket. Leave must follow.
func (w *Worker) listen(conn net.PacketConn) (*listener, error) {
	l := &listener{w: w}
	l.sessions.byAddr = make(map[pair]*session)
	socket, err := w.sockets.Adopt(conn, packet.Options{
		Local: unspecified(conn.LocalAddr()), Receive: listenerBuffer, Send: listenerBuffer, Tag: l,
	})
	if err != nil {
		_ = conn.Close() // the first error says it all
		return nil, err
	}
	l.socket = socket
	if err := w.enter(socket); err != nil {
		_ = socket.Close() // there is no more use for it, nor for the error
		return nil, err
	}
	return l, nil
}

// enter makes the listener known to its worker.
func (l *listener) enter() {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.lastNumber++
	l.number = l.w.lastNumber
	l.w.listeners[l.number] = l
}

// secure says whether a datagram is one of DTLS.
func (l *listener) secure(d *packet.Datagram) bool {
	return l.w.crew.dtls.enabled() && len(d.Body) > 0 && isDTLS(d.Body[0])
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
