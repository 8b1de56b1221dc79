package peers

import (
	"context"
	"time"

	"github.com/parley-rtc/parley/client/peers/internal/mesh"
)

const (
	passMost   = 1 << 20     // bytes that may wait for a peer when it is given something to pass on
	stallLimit = time.Second // a neighbour that takes nothing for so long is not waited for
	fullPause  = 5 * time.Millisecond
	passTime   = time.Second // in which others have passed on what they were given
)

// flooding is how messages to all go. The room's goroutine owns it.
type flooding struct {
	unclear       map[string][]mark // what went straight, by channel, before others passed messages on
	unclearSince  time.Duration
	clearAt       time.Duration // then what went straight was handed over; 0: nothing went
	cancelUnflood func()
}

// mark is a place in what a connection was given.
type mark struct {
	pipe *pipe
	dc   carrier
	at   uint64
}

// remeshed takes note that others pass messages on, or do so no more.
func (r *Room) remeshed() {
	isMeshed := r.mesh.IsMeshed()
	r.meshed.Store(isMeshed)
	if r.cancelUnflood != nil {
		r.cancelUnflood()
		r.cancelUnflood = nil
	}
	switch {
	case !isMeshed:
		r.unfloodLater()
	case !r.floods.Swap(true):
		r.unclear, r.unclearSince = map[string][]mark{}, r.now()
		for _, p := range r.peers {
			for name, pipe := range p.open {
				if dc := pipe.attached(); dc != nil && mesh.IsFellow(p.instance) && pipe.options == (ChannelOptions{}) {
					r.unclear[name] = append(r.unclear[name], mark{pipe, dc, pipe.given.Load()})
				}
			}
		}
	}
	for _, p := range r.Peers() {
		p.settle()
		p.show()
		r.changed(p)
	}
}

// unfloodLater has messages to all go straight again, when all that others pass on has arrived.
func (r *Room) unfloodLater() {
	r.cancelUnflood = r.after(nearAfter, func() {
		r.cancelUnflood = nil
		for _, p := range r.peers {
			for _, pipe := range p.open {
				if pipe.parcels.size() > 0 {
					r.unfloodLater()
					return
				}
			}
		}
		r.floods.Store(false)
	})
}

// flood gives a message to all neighbours, which pass it on. It waits while one of them is full.
func (r *Room) flood(ctx context.Context, name string, message []byte) error {
	for {
		switch r.attempt(func() attempt { return r.broadcast(name, message) }) {
		case given:
			return nil
		case noWay:
			return ErrClosed
		}
		if err := sleep(ctx, fullPause); err != nil {
			return err
		}
	}
}

func (r *Room) broadcast(name string, message []byte) attempt {
	switch {
	case r.mesh == nil:
		return noWay
	case !r.cfg.Channels[name].LatestOnly && (r.isUnclear(name) || r.isHeldUp()):
		return full
	}
	r.mesh.Broadcast(name, message)
	r.passedAt.Store(int64(r.now()))
	return given
}

// isUnclear says whether some of what went straight may not have arrived, which what others pass on could overtake.
func (r *Room) isUnclear(name string) bool {
	marks, now := r.unclear[name], r.now()
	if now >= r.unclearSince+nearAfter {
		return false
	}
	for _, m := range marks {
		if m.pipe.attached() == m.dc && m.pipe.given.Load() < m.at+m.dc.BufferedAmount() {
			return true
		}
	}
	if delete(r.unclear, name); len(marks) > 0 {
		r.clearAt = now + clearTime
	}
	return r.clearAt != 0 && now < r.clearAt
}

// isHeldUp says whether to wait for neighbours for which too much waits: for those that take some of it; and for any if all are full.
func (r *Room) isHeldUp() bool {
	near, fulls, isSlow := 0, 0, false
	for _, p := range r.peers {
		if !mesh.IsFellow(p.instance) || !p.hasWay() || p.isFading {
			continue
		}
		near++
		if p.isFull() {
			fulls++
		}
		isSlow = p.isSlow() || isSlow
	}
	return isSlow || near > 0 && fulls == near
}

// isFull says whether so much waits for the peer that it is given nothing more to pass on.
func (p *Peer) isFull() bool { return p.Buffered() > passMost }

// isSlow says whether the peer is full, and takes some of what waits for it.
func (p *Peer) isSlow() bool {
	now, waiting := p.room.now(), p.Buffered()
	if waiting <= passMost {
		p.waited = 0
		return false
	}
	if p.waited == 0 || waiting < p.waited {
		p.tookAt = now
	}
	p.waited = waiting
	return now < p.tookAt+stallLimit
}

// isPassing says whether others may be passing on what they were given.
func (r *Room) isPassing() bool {
	at := r.passedAt.Load()
	return at != 0 && r.now() < time.Duration(at)+passTime && !isClosed(r.over)
}

func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
