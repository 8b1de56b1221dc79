package peers

import (
	"sync/atomic"

	"github.com/pion/webrtc/v4"
)

// line is one data channel of the app's on a connection. It carries the messages of a pipe, which may go through the server still.
type line struct {
	name string
	dc   *webrtc.DataChannel
	to   atomic.Pointer[pipe] // where what comes goes to; set by the room's goroutine, before anything comes
	open bool                 // owned by the room's goroutine

	in reassembly // owned by the goroutine that receives
}

// createLine creates a channel on both sides at once. The negotiation's goroutine calls it.
func (c *connection) createLine(name string, id uint16) (*line, error) {
	options := c.room.cfg.Channels[name]
	ordered := !options.Unordered
	dc, err := c.negotiated(name, id, &ordered, options.MaxRetransmits)
	if err != nil {
		return nil, err
	}
	l := &line{name: name, dc: dc, in: reassembly{limit: c.room.cfg.MaxMessage}}
	dc.OnOpen(func() { c.later(func() { c.opened(l) }) })
	pulse := c.made
	dc.OnMessage(func(m webrtc.DataChannelMessage) {
		if !pulse.sound.Swap(true) {
			c.later(pulse.heard)
		}
		err := ErrMessageDropped
		if !m.IsString {
			err = c.receiveChunk(l, m.Data)
		}
		if err != nil {
			c.later(func() { c.peer.malformed(err) })
		}
	})
	return l, nil
}

// receiveChunk takes what arrived, and waits until there is room for it.
func (c *connection) receiveChunk(l *line, chunk []byte) error {
	message, envelope, err := l.in.take(chunk)
	switch p := l.to.Load(); {
	case message == nil:
	case envelope:
		c.later(func() { c.room.receive(c.peer, l.name, message) })
	case p != nil:
		p.deliver(message, nil)
	}
	return err
}

// bind has a line carry the messages of the pipe that goes another way until now, if there is one, and else of another.
func (c *connection) bind(l *line) {
	p := c.peer.relayedPipe(l.name)
	if p == nil {
		p = c.peer.meshedPipe(l.name)
	}
	if p == nil {
		p = c.peer.newPipe(l.name)
	}
	l.to.Store(p)
}

// opened takes note that a line can be used.
func (c *connection) opened(l *line) {
	l.open = true
	c.use(l)
	c.peer.reach()
}

// use has messages go over a line, unless they go through the server still.
func (c *connection) use(l *line) {
	if p := l.to.Load(); !p.relayed {
		p.attach(l.dc, c.room.start)
		c.peer.opened(p)
		c.peer.approach(p)
	}
}
