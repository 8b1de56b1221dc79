package peers

import (
	"time"

	"github.com/parley-rtc/parley/client/peers/internal/mesh"
)

const (
	fadeTime    = 3 * time.Second  // a connection that neither side needs is let go after so long,
	unaskedTime = 10 * time.Second // one that never was ready after the other
	nearAfter   = 3 * time.Second  // what others pass on has arrived after so long
)

// edge is what a peer is in the mesh. The room's goroutine owns it.
type edge struct {
	isUnwanted  bool          // this side is not to be connected to it
	askedAt     time.Duration // when a connection was last begun or asked for
	isFading    bool          // neither side needs the connection
	fadingSince time.Duration
	waited      int           // bytes that waited for it when it was full last; 0: it was not
	tookAt      time.Duration // when it took some of them
	record      mesh.Record
}

// verdict is what is thought of a peer, by what came from there. The room's goroutine owns it.
type verdict struct {
	verified  bool // it has the room's key
	unproven  bool // something was believed without a proof, and may be in use still
	isRefused bool // one of both believes nothing that the other one says
}

// hasWay says whether there is a way to the peer that no other one is on.
func (p *Peer) hasWay() bool {
	return p.health == connected || p.isRelayed() && p.room.isLinked()
}

// isHeard says whether the peer is there, as far as others or a connection tell.
func (p *Peer) isHeard() bool {
	return p.room.mesh != nil && p.room.mesh.IsHeard((*fellow)(p))
}

// isReached says whether others pass on what is said to the peer.
func (p *Peer) isReached() bool { return p.isHeard() && p.room.mesh.IsMeshed() }

// isVouched says whether others vouch for the peer, since they have the key and passed on what it said: they would not for one without.
func (p *Peer) isVouched() bool {
	return p.room.keyring != nil && !p.room.cfg.AllowUnverified && !p.unproven && p.isReached()
}

func (p *Peer) want(wanted bool) {
	if wanted != p.isUnwanted {
		return
	}
	p.isUnwanted, p.askedAt = !wanted, p.room.now()
	if wanted {
		p.recovery.signalingIsBack()
	}
	p.reach()
}

// spare takes note of whether this side can do without what it does not want, and ends what neither side needs.
func (p *Peer) spare(spare bool) {
	now, c := p.room.now(), p.connection
	idle := spare && p.isUnwanted
	if c != nil && c.pulse != nil && c.pulse.spare != idle {
		c.pulse.spare = idle
		c.pulse.ask()
	}
	if p.health != connected || p.isRelayed() {
		if idle && now >= p.askedAt+unaskedTime && (c != nil || p.isRelayed()) {
			p.letGo()
		}
		return
	}
	if both := idle && c.pulse.isSpareThere; both != p.isFading {
		p.isFading, p.fadingSince = both, now
		for _, pipe := range p.open {
			if both {
				pipe.mesh()
			} else {
				p.approach(pipe)
			}
		}
		p.show()
		p.room.changed(p)
	}
	if p.isFading && now >= p.fadingSince+fadeTime && p.Buffered() == 0 {
		p.letGo()
	}
}

// letGo ends what neither side needs.
func (p *Peer) letGo() {
	p.isFading = false
	if p.isRelayed() {
		p.shut(ErrLost, true)
	}
	if p.relay != nil {
		p.relay.close()
		p.createRelay()
	}
	p.drop(ErrLost)
	p.rtt, p.route = 0, route{}
	p.check()
	p.settle()
	p.show()
	p.room.changed(p)
}

// settle sees to it that there is a pipe for each channel while others pass messages on, where there is no other.
func (p *Peer) settle() {
	heard := !p.over && p.isHeard()
	for name, pipe := range p.open {
		if pipe.isMeshed() && !heard && pipe.attached() == nil {
			pipe.finish(ErrLost)
			p.forget(name)
		}
	}
	if p.over || !p.isReached() || p.isRelayed() {
		return
	}
	for _, name := range p.room.cfg.names {
		p.reachable(name)
	}
}

func (p *Peer) forget(name string) {
	p.mu.Lock()
	delete(p.open, name)
	p.mu.Unlock()
}

// reachable returns the pipe of a channel that is open; if there is none, others pass its messages on. Nil: the peer has no such channel.
func (p *Peer) reachable(name string) *pipe {
	if pipe := p.open[name]; pipe != nil && !isClosed(pipe.over) {
		return pipe
	}
	var pipe *pipe
	if c := p.connection; c != nil && c.lines != nil && !c.lost {
		l := c.lines[name]
		if l == nil {
			return nil
		}
		if to := l.to.Load(); !to.relayed && !isClosed(to.over) {
			pipe = to
		}
	}
	if pipe == nil {
		pipe = p.newPipe(name)
	}
	pipe.mesh()
	p.opened(pipe)
	return pipe
}

// meshedPipe returns the pipe of a channel whose messages others pass on; nil: there is none.
func (p *Peer) meshedPipe(name string) *pipe {
	if pipe := p.open[name]; pipe != nil && pipe.isMeshed() && !isClosed(pipe.over) {
		return pipe
	}
	return nil
}

// nearPipe returns the pipe of a channel on the way to the peer that no other one is on; nil: there is none.
func (p *Peer) nearPipe(name string) *pipe {
	if pipe := p.open[name]; pipe != nil && !isClosed(pipe.over) && (pipe.relayed || pipe.attached() != nil) {
		return pipe
	}
	return nil
}

// approach has messages go straight to the peer again, over a connection that is open. First all that others pass on has to arrive.
func (p *Peer) approach(pipe *pipe) {
	p.room.look(p)
	dc := pipe.attached()
	if !pipe.isMeshed() || dc == nil {
		return
	}
	if pipe.options != (ChannelOptions{}) { // nobody relies on the order
		pipe.straighten(dc)
		return
	}
	p.room.after(nearAfter, func() {
		if p.isFading || pipe.attached() != dc {
			return
		}
		if !pipe.straighten(dc) {
			p.approach(pipe)
		}
	})
}

// arrived hands over what others passed on.
func (p *Peer) arrived(name string, payload []byte) {
	pipe := p.reachable(name)
	if pipe == nil {
		return
	}
	if !pipe.offer(payload) { // nobody reads
		p.missed(name)
		pipe.offer(payload)
	}
}

// missed ends what the app reads of a channel, since messages are missing before the next one.
func (p *Peer) missed(name string) {
	if pipe := p.open[name]; pipe != nil && !isClosed(pipe.ended) {
		if before, next := pipe.interrupt(); next != nil {
			p.room.lobby.replace(before, next)
		}
	}
}
