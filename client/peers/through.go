package peers

import (
	"time"

	"github.com/parley-rtc/parley/client/peers/internal/mesh"
)

const (
	throughPause = 10 * time.Millisecond  // before what others are to pass on is tried again
	clearTime    = 250 * time.Millisecond // after which what a connection has brought was handed over there
)

func (p *pipe) isMeshed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.meshed
}

// most is how many bytes a message may have now.
func (p *pipe) most() int {
	if p.isMeshed() && p.attached() == nil {
		return min(p.maxMessage, mesh.OneMost)
	}
	return p.maxMessage
}

// mesh has others pass on what is written from now on, when all that went straight has arrived.
func (p *pipe) mesh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meshed, p.isClearing, p.clearAt = true, p.dc != nil, time.Time{}
}

// straighten has messages go straight to the peer again; false while some that are to be passed on wait.
func (p *pipe) straighten(dc carrier) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dc == dc && p.meshed && p.parcels.size() > 0 {
		return false
	}
	p.meshed = p.meshed && p.dc != dc
	return true
}

// detach takes note that a connection ends. A pipe whose messages others pass on goes on without it, unless some of what went straight may not have
// arrived: then it is lost.
func (p *pipe) detach(dc carrier) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dc != dc || !p.meshed {
		return
	}
	if p.isClearing && !p.options.lossy() && dc.BufferedAmount() > 0 {
		p.meshed = false
		return
	}
	p.dc = nil
	p.latest.mu.Lock()
	p.latest.message = nil
	p.latest.mu.Unlock()
	nudge(p.low)
}

// isClear says whether all that went straight has arrived.
func (p *pipe) isClear() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.isClearing:
	case p.dc == nil:
		p.isClearing = false
	case p.dc.BufferedAmount() > 0:
		p.clearAt = time.Time{}
	case p.clearAt.IsZero():
		p.clearAt = time.Now().Add(clearTime)
	default:
		p.isClearing = time.Now().Before(p.clearAt)
	}
	return !p.isClearing
}

// writeThrough gives a message to others, if that is how messages go; else it is not done. The caller holds writing.
func (p *pipe) writeThrough(message []byte, wait func(<-chan struct{}) error) (done bool, err error) {
	for p.isMeshed() {
		isLarge := len(message) > mesh.OneMost
		if isLarge && p.attached() == nil {
			return true, &TooLargeError{len(message), mesh.OneMost}
		}
		if !isLarge && p.isClear() {
			switch p.peer.room.attempt(func() attempt { return p.through(message) }) {
			case given:
				return true, nil
			case noWay:
				return true, p.end(ErrClosed)
			}
		}
		later := make(chan struct{})
		timer := time.AfterFunc(throughPause, func() { close(later) })
		err := wait(later)
		timer.Stop()
		if err != nil {
			return true, err
		}
	}
	return false, nil
}

// through gives a message to others. The room's goroutine calls it.
func (p *pipe) through(message []byte) attempt {
	if !p.isMeshed() { // just now they go straight again
		return full
	}
	return p.peer.room.send(p.peer, p.name, message)
}

// carry gives the peer an envelope as soon as there is room.
func (p *pipe) carry(envelope []byte, key string, start func(func())) {
	if p.parcels.add(parcel{envelope, key}, p.options.LatestOnly, !p.relayed) {
		start(p.runParcels)
	}
}

// runParcels sends what is to be passed on, until nothing waits.
func (p *pipe) runParcels() {
	for p.await(p.sending) == nil {
		more := p.giveParcel()
		p.sending <- struct{}{}
		if !more {
			return
		}
	}
	p.parcels.stop()
}

func (p *pipe) giveParcel() (more bool) {
	dc := p.attached()
	if dc == nil || p.settled(dc) != nil {
		p.parcels.stop()
		return false
	}
	envelope := p.parcels.next()
	if envelope == nil {
		return false
	}
	err := p.give(dc, envelope, true, p.highWater(), p.await)
	p.parcels.sent(len(envelope))
	if err != nil {
		p.parcels.stop()
	}
	return err == nil
}

// offer hands over what others passed on; false when there is no room for it.
func (p *pipe) offer(message []byte) bool {
	p.mu.Lock()
	channel := p.channel
	p.mu.Unlock()
	return channel.offer(message)
}

// interrupt ends what the app reads, since messages are missing, and returns what it did and what it does from now on; nil if it reads nothing.
func (p *pipe) interrupt() (before, next *Channel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before = p.channel
	if isClosed(before.closed) {
		return before, nil
	}
	p.channel = newChannel(p)
	close(before.missed)
	return before, p.channel
}
