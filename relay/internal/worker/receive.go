package worker

import (
	"time"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// receive handles what has arrived at UDP sockets, all of it under one lock.
func (w *Worker) receive(out *packet.Outbox, arrivals []packet.Arrival) {
	secure := false
	w.feed(out, func(e *turn.Engine, now time.Time) {
		for i := range arrivals {
			a := &arrivals[i]
			w.kernel.Add(uint64(a.Lost))
			switch tag := a.Tag.(type) {
			case *port:
				fromPeers(e, now, tag.relay, a)
			case *listener:
				for j := range a.Datagrams {
					d := &a.Datagrams[j]
					if tag.closed {
						break
					}
					if tag.secure(d) {
						secure = true
						continue
					}
					e.FromClient(now, turn.Client{Addr: d.From, Local: d.To, Transport: turn.UDP, Listener: tag.number}, d.Body)
				}
			}
		}
	})
	if !secure {
		return
	}
	for i := range arrivals {
		a := &arrivals[i]
		l, ok := a.Tag.(*listener)
		if !ok {
			continue
		}
		for j := range a.Datagrams {
			if d := &a.Datagrams[j]; l.secure(d) {
				l.handOver(d.Body, pair{d.From, d.To})
			}
		}
	}
}

// fromPeers handles what has arrived at a relay socket.
func fromPeers(e *turn.Engine, now time.Time, r *turn.Relay, a *packet.Arrival) {
	for _, f := range a.Failures {
		e.Unreachable(now, r, f.To, turn.ICMP{Type: f.Type, Code: f.Code, MTU: f.Info})
	}
	for i := range a.Datagrams {
		e.FromPeer(now, r, a.Datagrams[i].From, a.Datagrams[i].Body)
	}
}
