package peers

import (
	"encoding/binary"
	"math"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"
)

const (
	pulseInterval   = 2 * time.Second // between pings
	silentIntervals = 3               // without a sound, after which a peer counts as dead
	pulseLength     = 10              // bytes
	ping            = 0
	pong            = 1
	relayedBit      = 1
	spareBit        = 2
)

// beat is a message of the pulse. Time means something to the sender of the ping only, which the pong returns.
type beat struct {
	kind    byte
	relayed bool // whether the sender's own end of the path is on a relay
	spare   bool // whether the sender does not need the connection
	time    uint64
}

func (b beat) encode() []byte {
	m := []byte{b.kind, 0}
	if b.relayed {
		m[1] |= relayedBit
	}
	if b.spare {
		m[1] |= spareBit
	}
	return binary.BigEndian.AppendUint64(m, b.time)
}

func parseBeat(m []byte) (beat, bool) {
	if len(m) != pulseLength || m[0] != ping && m[0] != pong {
		return beat{}, false
	}
	return beat{m[0], m[1]&relayedBit != 0, m[1]&spareBit != 0, binary.BigEndian.Uint64(m[2:])}, true
}

// pulse knows whether a peer is alive, by pings over a channel of its own. The room's goroutine owns it.
type pulse struct {
	dc    *webrtc.DataChannel
	after after

	measured func(rtt time.Duration, relayed bool) // whether the other side knows its end to be relayed
	changed  func()                                // the peer fell silent, or is heard again
	tick     func()                                // every interval, while open

	silent       bool // nothing was heard for too long
	relayed      bool // this side's end of the path is a relay, which the other side cannot always see: it is told
	spare        bool // this side does not need the connection
	isSpareThere bool // nor does the other one
	open         bool
	quiet        int // whole intervals without a sound
	cancel       func()

	sound atomic.Bool // something was heard since the last ping; set by any goroutine
}

// begin starts the pings.
func (p *pulse) begin() {
	p.open = true
	p.beat()
}

// heard takes note that something arrived from the peer, on whatever channel.
func (p *pulse) heard() {
	p.sound.Store(true)
	p.quiet = 0
	if p.silent {
		p.silent = false
		p.changed()
	}
}

// receive takes a message of the pulse.
func (p *pulse) receive(m []byte) {
	p.heard()
	b, ok := parseBeat(m)
	if ok {
		p.isSpareThere = b.spare
	}
	switch {
	case !ok:
	case b.kind == ping:
		p.send(beat{pong, p.relayed, p.spare, b.time})
	default:
		if rtt := clock() - math.Float64frombits(b.time); rtt >= 0 && rtt < 60_000 {
			p.measured(time.Duration(rtt*float64(time.Millisecond)), b.relayed)
		}
	}
}

// ask asks for a sign of life now.
func (p *pulse) ask() {
	p.send(beat{ping, p.relayed, p.spare, math.Float64bits(clock())})
}

func (p *pulse) send(b beat) {
	// When the channel is full or closing, silence will say so.
	if p.open && p.dc.BufferedAmount() < 100*pulseLength {
		_ = p.dc.Send(b.encode())
	}
}

func (p *pulse) beat() {
	p.cancel = p.after(pulseInterval, p.beat)
	// Intervals are counted, not time: a machine that slept has not listened.
	if !p.sound.Swap(false) {
		p.quiet++
	}
	p.ask()
	if p.quiet >= silentIntervals && !p.silent {
		p.silent = true
		p.changed()
	}
	p.tick()
}

func (p *pulse) close() {
	p.open = false
	if p.cancel != nil {
		p.cancel()
	}
}

var processStart = time.Now()

// clock is the time of pings, in milliseconds.
func clock() float64 { return float64(time.Since(processStart)) / float64(time.Millisecond) }
