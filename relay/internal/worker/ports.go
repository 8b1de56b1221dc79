package worker

import (
	"errors"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// errKept says that a kept port is another relay's.
var errKept = errors.New("not a kept port of this relay")

// Open implements [turn.Ports].
func (w *Worker) Open(r *turn.Relay, wish turn.Wish) (turn.Opened, error) {
	var first, second *port
	number, err := w.crew.pools[wish.Family-1].udp.take(wish, func(number uint16) (err error) {
		if first, err = w.bind(wish.Family, number); err != nil {
			return err
		}
		if !wish.Pair {
			return nil
		}
		if second, err = w.bind(wish.Family, number+1); err != nil {
			_ = first.socket.Close() // the next pair of ports is tried
		}
		return err
	})
	if err != nil {
		w.warnOfPorts("udp", wish.Family, err)
		return turn.Opened{}, err
	}
	opened := w.opened(wish.Family, number)
	opened.Port = first
	if wish.Pair {
		opened.Kept = second
	}
	if err := first.start(r); err != nil {
		first.Close()
		if second != nil {
			second.Close()
		}
		return turn.Opened{}, err
	}
	return opened, nil
}

// Claim implements [turn.Ports].
func (w *Worker) Claim(r *turn.Relay, k turn.Kept) (turn.Opened, error) {
	p, ok := k.(*port)
	if !ok || p.w.crew != w.crew {
		return turn.Opened{}, errKept
	}
	opened := w.opened(p.family, p.number)
	opened.Port = p
	p.w = w // whoever kept it has let go of it
	return opened, p.start(r)
}

// bind opens the socket of a port.
func (w *Worker) bind(f turn.Family, number uint16) (*port, error) {
	addr := netip.AddrPortFrom(w.cfg.Relays[f-1].Bind, number)
	socket, err := w.sockets.Bind(addr, packet.Options{Errors: true, Fragment: true, Receive: relayBuffer})
	if err != nil {
		return nil, err
	}
	w.crew.buffers.relays.Do(func() { w.checkBuffer(socket, relayBuffer, "relay") })
	return &port{w: w, socket: socket, number: number, family: f}, nil
}

// opened returns the addresses of a relay socket.
func (w *Worker) opened(f turn.Family, number uint16) turn.Opened {
	where := w.cfg.Relays[f-1]
	opened := turn.Opened{Relayed: netip.AddrPortFrom(where.Public, number)}
	if !where.Bind.IsUnspecified() {
		opened.Bound = netip.AddrPortFrom(where.Bind, number)
	}
	return opened
}

// warnOfPorts logs that a relay socket could not be opened, once in a while.
func (w *Worker) warnOfPorts(network string, f turn.Family, err error) {
	if !w.crew.mayWarn(time.Now()) {
		return
	}
	family := "IPv4"
	if f == turn.IPv6 {
		family = "IPv6"
	}
	live := w.shared.Live()
	w.later(func() {
		w.cfg.Logger.Warn("no relay port to be had; allocations are refused", "error", err, "network", network,
			"family", family, "min_port", w.cfg.MinPort, "max_port", w.cfg.MaxPort, "allocations", live)
	})
}

// mayWarn says whether it is time to log that again.
func (c *Crew) mayWarn(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.warned) < time.Minute && !c.warned.IsZero() {
		return false
	}
	c.warned = now
	return true
}
