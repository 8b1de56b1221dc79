package peers

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"
)

const (
	routeTicks  = 5 // of the pulse, between looks at the route, which seldom changes
	strangeMost = 8 // channels that the other side announces, which nobody here does
)

// connection is one PeerConnection to a peer, with its channels. The room's goroutine owns it.
type connection struct {
	room        *Room
	peer        *Peer
	generation  generation
	mine        bool // this side began it, by an offer; the other one waits for that
	begun       time.Time
	pc          *webrtc.PeerConnection
	negotiation *negotiation
	pulse       *pulse           // nil: not yet
	lines       map[string]*line // nil: not yet
	lost        bool             // the other side closed it
	closed      bool
	ticks       int
	farRelayed  bool
	tooMuch     bool // it was told of

	made *pulse // owned by the negotiation's goroutine
}

func newConnection(peer *Peer, g generation, mine bool) (*connection, error) {
	room := peer.room
	pc, err := room.cfg.API.NewPeerConnection(room.configuration())
	if err != nil {
		return nil, errors.Join(ErrNegotiation, err)
	}
	c := &connection{
		room: room, peer: peer, generation: g, mine: mine, begun: time.Now(), pc: pc,
		negotiation: newNegotiation(pc, mine),
	}
	changed := func() { c.later(c.peer.check) }
	pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) { changed() })
	pc.OnICEConnectionStateChange(func(webrtc.ICEConnectionState) { changed() })
	pc.SCTP().Transport().ICETransport().OnSelectedCandidatePairChange(func(*webrtc.ICECandidatePair) { c.later(c.look) })
	var strange atomic.Int32
	pc.OnDataChannel(func(dc *webrtc.DataChannel) { // all that are ours are negotiated
		if strange.Add(1) > strangeMost {
			c.later(func() { c.end(ErrTooMuch) })
		}
		_ = dc.Close()
	})
	c.negotiation.send = func(n *note) {
		c.later(func() {
			n.generation, n.channels = g, room.cfg.names
			if n.kind != kindDescription {
				n.channels = nil
			}
			peer.send(n)
		})
	}
	c.negotiation.fault = func(err error) { c.later(func() { c.fault(err) }) }
	c.negotiation.met = c.createChannels
	_ = c.negotiation.do(func() error {
		if !mine {
			return nil
		}
		if err := c.createPulse(); err != nil {
			return errors.Join(ErrNegotiation, err)
		}
		return c.negotiation.offer(nil)
	})
	room.work.Go(func() {
		c.negotiation.run()
		_ = pc.GracefulClose()
		room.post(func() { peer.closing-- })
	})
	peer.closing++
	return c, nil
}

// later has the room's goroutine call f, if the connection is still the peer's.
func (c *connection) later(f func()) {
	c.room.post(func() {
		if !c.closed {
			f()
		}
	})
}

func (c *connection) fault(err error) {
	if errors.Is(err, ErrTooMuch) {
		if c.tooMuch {
			return
		}
		c.tooMuch = true
	}
	c.room.fault(c.peer, err)
}

func (c *connection) health() health {
	state, ice := c.pc.ConnectionState(), c.pc.ICEConnectionState()
	silent := c.pulse != nil && c.pulse.silent
	switch {
	case c.lost, c.closed, state == webrtc.PeerConnectionStateClosed, ice == webrtc.ICEConnectionStateClosed,
		c.pc.SCTP().Transport().State() == webrtc.DTLSTransportStateFailed: // no restart mends that
		return gone
	case state == webrtc.PeerConnectionStateFailed, ice == webrtc.ICEConnectionStateFailed,
		silent && state != webrtc.PeerConnectionStateConnected:
		return failed
	case state == webrtc.PeerConnectionStateDisconnected, ice == webrtc.ICEConnectionStateDisconnected:
		return disconnected
	case state == webrtc.PeerConnectionStateConnected && c.pulse != nil && c.pulse.open:
		return connected
	}
	return connecting
}

// step has the negotiation do something.
func (c *connection) step(do func() error) {
	if err := c.negotiation.do(do); err != nil {
		c.fault(err)
	}
}

func (c *connection) receive(n *note) { c.step(func() error { return c.negotiation.receive(n) }) }

func (c *connection) restart() { c.step(c.negotiation.restart) }

// configure uses other ICE servers, from the next gathering on. More than that pion does not change on a connection.
func (c *connection) configure(cfg webrtc.Configuration) {
	c.step(func() error {
		if err := c.pc.SetConfiguration(cfg); err != nil {
			return errors.Join(ErrNegotiation, err)
		}
		return nil
	})
}

// close ends the connection; why is what channels return.
func (c *connection) close(why error) {
	if c.closed {
		return
	}
	c.closed = true
	for _, l := range c.lines {
		l.to.Load().detach(l.dc)
	}
	c.finish(why)
	if c.pulse != nil {
		c.pulse.close()
	}
	close(c.negotiation.over)
}

func (c *connection) finish(why error) {
	for _, p := range c.pipes() {
		p.finish(why)
	}
}

// pipes are those that have no other way.
func (c *connection) pipes() []*pipe {
	var own []*pipe
	for _, l := range c.lines {
		if p := l.to.Load(); !p.relayed && !p.isMeshed() {
			own = append(own, p)
		}
	}
	return own
}

// end gives the connection up, so that another is begun.
func (c *connection) end(why error) {
	c.fault(why)
	c.gone()
}

func (c *connection) gone() {
	c.lost = true
	for _, p := range c.pipes() {
		p.stop()
	}
	c.peer.check()
}

// createPulse creates the package's own channel, which both sides have in any case.
func (c *connection) createPulse() error {
	no, zero := false, uint16(0)
	dc, err := c.negotiated("", 0, &no, &zero)
	if err != nil {
		return err
	}
	p := &pulse{
		dc: dc, after: c.room.after,
		changed:  func() { c.peer.check() },
		measured: c.measured,
		tick: func() {
			if c.ticks++; c.ticks%routeTicks == 2 {
				c.look()
			}
		},
	}
	dc.OnOpen(func() {
		c.later(func() {
			p.begin()
			c.peer.check()
			c.look()
		})
	})
	dc.OnMessage(func(m webrtc.DataChannelMessage) { c.later(func() { p.receive(m.Data) }) })
	c.made = p
	c.later(func() { c.pulse = p })
	return nil
}

func (c *connection) negotiated(name string, id uint16, ordered *bool, retransmits *uint16) (*webrtc.DataChannel, error) {
	yes := true
	dc, err := c.pc.CreateDataChannel(name, &webrtc.DataChannelInit{
		Negotiated: &yes, ID: &id, Ordered: ordered, MaxRetransmits: retransmits,
	})
	if err == nil {
		dc.OnClose(func() { c.later(c.gone) })
	}
	return dc, err
}

// createChannels creates the app's channels that both sides have; of the others, one would open here and lead nowhere. It
// is done as soon as the other side's names are known, which is before anything can come from there. The negotiation's goroutine calls it.
func (c *connection) createChannels(far []string) {
	near := c.room.cfg.names
	var err error
	if !c.mine {
		err = c.createPulse()
	}
	lines := map[string]*line{}
	for name, id := range identifiers(near, far, c.mine) {
		if err == nil {
			var l *line
			if l, err = c.createLine(name, id); err == nil {
				lines[name] = l
			}
		}
	}
	c.room.post(func() { // before anything comes
		if c.closed {
			return
		}
		c.lines = lines
		for _, l := range lines {
			c.bind(l)
		}
		if err != nil {
			c.fault(errors.Join(ErrNegotiation, err))
		}
		c.peer.compare(near, far)
	})
}

// identifiers returns those of the channels that both sides have: the order of names of the side that began the connection gives them.
func identifiers(near, far []string, mine bool) map[string]uint16 {
	order := far
	if mine {
		order = near
	}
	ids := map[string]uint16{}
	for _, name := range near {
		if slices.Contains(far, name) {
			ids[name] = uint16(slices.Index(order, name) + 1)
		}
	}
	return ids
}

func (c *connection) measured(rtt time.Duration, relayed bool) {
	if relayed != c.farRelayed {
		c.farRelayed = relayed
		c.look()
	}
	c.peer.measured(rtt)
}

// look looks up how packets go.
func (c *connection) look() {
	c.room.work.Go(func() {
		r, ok := routeOf(c.pc)
		c.later(func() {
			if !ok || c.pulse == nil {
				return
			}
			c.pulse.relayed = r.relayed
			if c.farRelayed {
				r.kind = Relayed
			}
			c.peer.routed(r)
		})
	})
}
