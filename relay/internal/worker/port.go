package worker

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// port is a UDP relay socket.
type port struct {
	w      *Worker
	conn   *net.UDPConn
	number uint16
	family turn.Family
	relay  *turn.Relay // set by start
	losses *counted    // what the system drops
	os     portOS
}

// payload has room for any datagram.
type payload [maxDatagram]byte

// payloads are those that no socket is reading into: sockets that wait hold none.
var payloads = sync.Pool{New: func() any { return new(payload) }}

func newPort(w *Worker, conn *net.UDPConn, f turn.Family, number uint16) (*port, error) {
	p := &port{w: w, conn: conn, number: number, family: f}
	w.setBuffer(conn, relayBuffer, &w.buffers.relays, "relay")
	if err := p.os.init(p); err != nil {
		return nil, err
	}
	p.losses = w.kernel.watch(conn)
	return p, nil
}

// start begins to pass on what arrives. w.mu is held.
func (p *port) start(r *turn.Relay) {
	p.relay = r
	p.w.running.Go(p.read)
}

// read feeds the engine until the socket is closed.
func (p *port) read() {
	o := &outbox{w: p.w}
	var patience backoff
	for {
		buf, n, from, err := p.receive()
		switch {
		case err == nil:
			from = unmapped(from)
			p.w.do(o, func(e *turn.Engine, now time.Time) { e.FromPeer(now, p.relay, from, buf[:n]) })
			payloads.Put(buf)
			patience = 0
		case gone(err):
			return
		case p.report(o) > 0:
		default:
			p.w.drop("relay-read-error")
			if !patience.wait(p.w.done) {
				patience = maxFailures - 1 // the allocation may live for long yet
			}
		}
	}
}

// Send implements [turn.Port].
func (p *port) Send(peer netip.AddrPort, body []byte, df bool) {
	p.w.out.datagrams = append(p.w.out.datagrams, datagram{to: peer, port: p, body: body, df: df})
}

// write sends a datagram to a peer. An error may be an earlier datagram's, of which an ICMP message
// has told, so it is tried twice.
func (p *port) write(body []byte, to netip.AddrPort, df bool) {
	for range 2 {
		var err error
		if df {
			err = p.writeDF(body, to)
		} else {
			_, err = p.conn.WriteToUDPAddrPort(body, to)
		}
		if err == nil || gone(err) {
			return
		}
		p.report(&outbox{w: p.w})
	}
	p.w.drop("relay-write-error")
}

// Close implements [turn.Port]; the port is free when the lock is let go.
func (p *port) Close() {
	p.w.out.later(func() {
		p.losses.unwatch()
		_ = p.conn.Close() // the port is free either way
		p.w.pools[p.family-1].udp.release(p.number)
	})
}

// Release implements [turn.Kept].
func (p *port) Release() { p.Close() }

// gone reports whether an error says that a socket is closed.
func gone(err error) bool { return errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) }
