package turn

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// Channel numbers, RFC 8656 section 12; up to maxWideChannel in RFC 5766.
const (
	minChannel     = 0x4000
	maxChannel     = 0x4FFF
	maxWideChannel = 0x7FFF
)

// channel is a number that stands for a peer (RFC 8656 section 12).
type channel struct {
	number     uint16
	peer       netip.AddrPort
	expires    time.Time
	permission *permission
}

// live reports whether packets may go through: the channel's permission ends earlier than itself.
func (c *channel) live(now time.Time) bool {
	return now.Before(c.expires) && now.Before(c.permission.expires)
}

// unbind forgets a channel.
func (a *allocation) unbind(c *channel) {
	if a.channels[c.number] != c {
		return // already
	}
	c.permission.channels--
	delete(a.channels, c.number)
	delete(a.bound, keyOf(c.peer))
}

// channelBind handles a ChannelBind request, RFC 8656 section 12.2.
func (e *Engine) channelBind(r *request) {
	a := r.alloc
	value, err := r.msg.Get(stun.AttrChannelNumber)
	peer, ok := peerOf(r.msg)
	if err != nil || len(value) != 4 || !ok || peer.Port() == 0 || a.stream {
		e.refuse(r, stun.CodeBadRequest, RefusedMalformed)
		return
	}
	number, top := binary.BigEndian.Uint16(value), uint16(maxChannel)
	if e.cfg.WideChannels {
		top = maxWideChannel
	}
	if number < minChannel || number > top {
		e.refuse(r, stun.CodeBadRequest, RefusedNumber)
		return
	}
	verdict, code, why := e.judge(a, peer.Addr())
	if code != 0 {
		e.refuse(r, code, why)
		return
	}
	for _, c := range [2]*channel{a.channels[number], a.bound[keyOf(peer)]} {
		if c == nil {
			continue
		}
		if !r.now.Before(c.expires) {
			a.unbind(c)
		} else if c.number != number || c.peer != peer {
			e.refuse(r, stun.CodeBadRequest, RefusedChannel)
			return
		}
	}
	c := a.channels[number]
	if c == nil && len(a.channels) >= e.cfg.Channels {
		e.sweepIfDue(a, r.now)
	}
	if c == nil && len(a.channels) >= e.cfg.Channels {
		e.refuse(r, stun.CodeInsufficientCapacity, RefusedChannels)
		return
	}
	if a.permission(peer.Addr(), r.now) == nil {
		if why := e.roomForPeers(a, 1, r.now); why != 0 {
			e.refuse(r, stun.CodeInsufficientCapacity, why)
			return
		}
	}
	p := e.permit(a, peer.Addr(), verdict, r.now)
	if c == nil {
		c = &channel{number: number, peer: peer, permission: p}
		p.channels++
		if a.channels == nil {
			a.channels, a.bound = make(map[uint16]*channel), make(map[peerKey]*channel)
		}
		a.channels[number], a.bound[keyOf(peer)] = c, c
	}
	c.expires = r.now.Add(channelLife)
	e.watch(a, c.expires)
	e.succeed(r)
}
