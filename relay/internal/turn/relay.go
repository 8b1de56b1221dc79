package turn

import (
	"errors"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// errFamily says that an address family is not relayed here.
var errFamily = errors.New("address family not supported")

// Relay is one relayed address of an allocation and the socket behind it.
type Relay struct {
	alloc    *allocation
	family   Family
	relayed  netip.AddrPort // told to clients
	bound    netip.AddrPort // another way to reach it from this host, or zero
	port     Port           // or
	listener Listener
	expires  time.Time
	closed   bool
}

// Relayed returns the address that peers see.
func (r *Relay) Relayed() netip.AddrPort { return r.relayed }

// open opens one relay of an allocation.
func (e *Engine) open(a *allocation, w asked, f Family, expires time.Time) (Kept, error) {
	if !e.relays(f) {
		return nil, errFamily
	}
	r := &Relay{alloc: a, family: f, expires: expires}
	var opened Opened
	var err error
	if a.stream {
		opened, err = e.ports.Listen(r, f)
	} else {
		opened, err = e.ports.Open(r, Wish{Family: f, Even: w.even, Pair: w.pair})
	}
	if err != nil {
		return nil, err
	}
	e.adopt(r, opened)
	return opened.Kept, nil
}

// adopt makes an open socket that of a relay.
func (e *Engine) adopt(r *Relay, o Opened) {
	r.port, r.listener, r.relayed, r.bound = o.Port, o.Listener, unmapped(o.Relayed), unmapped(o.Bound)
	if r.bound == r.relayed {
		r.bound = unmapped(Opened{}.Bound)
	}
	r.alloc.relays[r.family-1] = r
	if r.port != nil {
		e.shared.directory.enter(r, e.cfg.Index)
	} else {
		e.shared.streams.enter(r, e.cfg.Index)
	}
}

// claim makes the port behind a reservation token the allocation's.
func (e *Engine) claim(a *allocation, t token, now, expires time.Time) (stun.ErrorCode, Refusal) {
	kept := e.shared.kept.take(t, now)
	if kept == nil {
		return stun.CodeInsufficientCapacity, RefusedReservation
	}
	e.shared.quota.leave(kept.user, kept.source, 1)
	r := &Relay{alloc: a, family: kept.family, expires: expires}
	opened, err := e.ports.Claim(r, kept.kept)
	if err != nil {
		kept.kept.Release()
		return stun.CodeInsufficientCapacity, RefusedNoPort
	}
	e.adopt(r, opened)
	return 0, 0
}

// closeRelay closes one relay of an allocation.
func (e *Engine) closeRelay(r *Relay) {
	r.closed = true
	r.alloc.relays[r.family-1] = nil
	if r.port != nil {
		e.shared.directory.leave(r)
		r.port.Close()
	}
	if r.listener != nil {
		e.shared.streams.leave(r)
		for _, c := range r.alloc.conns {
			if familyOf(c.peer.Addr()) == r.family {
				e.closeConnection(r.alloc, c)
			}
		}
		r.listener.Close()
	}
}
