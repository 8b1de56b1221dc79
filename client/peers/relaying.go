package peers

import (
	"maps"
	"slices"
)

// createRelay makes the peer's way through the server.
func (p *Peer) createRelay() {
	room := p.room
	if room.cfg.NoServerRelay {
		return
	}
	p.relay = &serverRelay{
		near: room.cfg.names, maxMessage: room.cfg.MaxMessage,
		after: room.after, canSignal: p.canSignal, start: room.start, post: room.post,
		say: func(nonce, echo string) {
			if echo == "" {
				p.doomed = nil
				if p.connection == p.ready {
					p.doomed = p.ready
				}
			}
			p.send(&note{kind: kindRelay, nonce: nonce, echo: echo, webrtc: true, channels: room.cfg.names})
		},
		send: p.send,
		seals: func(own, other string) (in, out *seal) {
			in, err := room.keyring.sealing(p.party(), room.self(), other, own)
			if err == nil {
				out, err = room.keyring.sealing(room.self(), p.party(), own, other)
			}
			if err != nil { // there is no such size of keys
				room.fault(p, err)
			}
			return in, out
		},
		target: func(name string) *pipe {
			if pipe := p.open[name]; pipe != nil && !isClosed(pipe.over) {
				return pipe
			}
			return nil
		},
		passed:  func(name string, envelope []byte) { room.receive(p, name, envelope) },
		dropped: func(err error) { p.tell(err, err) },
		opened:  p.relayOpened,
		moved:   p.relayMoved,
	}
}

// canSignal says whether the peer can be reached by signaling just now.
func (p *Peer) canSignal() bool { return p.view.listed && p.room.isLinked() }

func (p *Peer) isRelayed() bool { return p.relay != nil && p.relay.used }

// relayedPipe returns the pipe of a channel that goes through the server; nil: none does.
func (p *Peer) relayedPipe(name string) *pipe {
	if !p.isRelayed() {
		return nil
	}
	return p.relay.pipes[name]
}

func (p *Peer) newPipe(name string) *pipe {
	return newPipe(p, name, p.room.cfg.Channels[name], p.room.cfg.MaxMessage)
}

// relayAsked takes the peer's wish for a way through the server, or its answer.
func (p *Peer) relayAsked(n *note, proven bool) {
	p.deaf = !n.webrtc
	p.askedAt = p.room.now()
	if n.echo == "" && p.health == connected { // it will be so for both, or for none soon
		p.connection.pulse.ask()
		return
	}
	if p.relay != nil {
		p.relay.receive(n, proven)
	}
}

// relayOpened takes note that there is a way through the server. What comes over a connection that was ready before could come too late.
func (p *Peer) relayOpened(answered bool) {
	old, unfit := p.connection, p.ready
	if answered {
		unfit = p.doomed
	}
	over := old != nil && old == unfit
	// What was on its way in a stream before may be lost, even while the messages move to a connection.
	if over || p.health != connected || p.relay.used {
		p.shut(ErrLost, true)
		if over {
			p.drop(ErrLost)
		}
		p.wasUp = true
		p.relay.use(p.newPipe)
		for _, name := range slices.Sorted(maps.Keys(p.relay.pipes)) {
			p.opened(p.relay.pipes[name])
		}
		if p.connection != nil {
			p.connection.rebind()
		}
		p.check()
		p.show()
		p.room.changed(p)
	}
	p.reach()
}

// relayMoved takes note that messages go over the connection now.
func (p *Peer) relayMoved(lossy bool) {
	if lossy {
		p.shut(ErrLost, true)
		p.connection.rebind()
	}
	p.show()
	p.room.changed(p)
}

// rebind binds all lines anew, because the pipes are others.
func (c *connection) rebind() {
	for _, l := range c.lines {
		if p := l.to.Load(); !p.relayed {
			p.finish(ErrLost)
		}
		c.bind(l)
		if l.open {
			c.use(l)
		}
	}
}

// reach sees to it that there is a way: through the server while there is no connection, and no longer.
func (p *Peer) reach() {
	r := p.relay
	switch {
	case r == nil || p.over:
	case p.health == connected:
		r.calm()
		if !r.used {
			return
		}
		carriers := map[string]carrier{}
		for name := range r.pipes {
			l := p.connection.lines[name]
			if l == nil || !l.open {
				return
			}
			carriers[name] = l.dc
		}
		r.moveTo(carriers)
	case r.used:
		r.stay()
	case p.isUnwanted:
		r.calm()
	case p.wasUp:
		r.wishIn(relayAfterLoss)
	default:
		r.wishIn(relayAfter)
	}
}

// show computes what the app sees of the connection.
func (p *Peer) show() {
	state, path := Connecting, Path{p.route.kind, p.route.protocol, p.rtt}
	onlyMeshed := p.isReached() && !p.hasWay()
	switch {
	case p.hasWay(), onlyMeshed:
		state = Connected
	case p.wasUp:
		state = Reconnecting
	}
	verified := p.verified
	if onlyMeshed {
		path = Path{Kind: Mesh}
		verified = verified || p.isVouched()
	} else if p.isRelayed() {
		path = Path{Kind: Server, RTT: p.relay.rtt}
	} else if p.route.kind == "" {
		path = Path{RTT: p.rtt}
	}
	if !p.over {
		p.update(func(v *view) { v.state, v.path, v.verified = state, path, verified })
	}
}
