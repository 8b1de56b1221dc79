package mesh

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

const (
	refuteTime = time.Second     // who was said to be lost has so long to say otherwise
	firstPause = 2 * time.Second // who has not heard of everybody asks again after so long, then twice as long,
	askMost    = 6               // so often
)

// Broadcast sends to everybody who takes part.
func (m *Mesh) Broadcast(channel string, payload []byte) { m.toAll(channel, message, payload) }

// Send sends to one who is no neighbour; false when nobody can take it there just now. The payload has at most [OneMost] bytes.
func (m *Mesh) Send(to Peer, channel string, payload []byte) bool {
	each := m.find(to)
	return each != nil && m.toOne(each, channel, message, payload)
}

func (m *Mesh) toAll(channel string, s sort, payload []byte) {
	m.sent[channel]++
	id := m.cfg.ID()
	m.pass(channel, envelope{sort: s, run: m.run, n: m.sent[channel], origin: id, payload: payload}.encode(), id, nil)
}

func (m *Mesh) toOne(to *member, channel string, s sort, payload []byte) bool {
	if len(payload) > OneMost {
		return false
	}
	last, met := to.sent[channel]
	if !met { // one that is met again had lower numbers already
		last = m.sentMost[channel]
	}
	n := last + 1
	id := m.cfg.ID()
	e := envelope{sort: s, run: m.run, n: n, origin: id, to: to.id, hops: hopsMost, payload: payload}
	if !m.route(to.id, channel, e.encode(), id, nil) {
		return false
	}
	to.sent[channel] = n
	m.sentMost[channel] = max(n, m.sentMost[channel])
	return true
}

// Receive takes an envelope that a neighbour gave, which is the mesh's from then on.
func (m *Mesh) Receive(neighbour Peer, channel string, data []byte) {
	from := m.find(neighbour)
	if from == nil || !from.isFellow {
		return
	}
	e, ok := read(data)
	if !ok {
		from.Drop()
		return
	}
	isTrusted := from.IsTrusted()
	origin := m.members[e.origin]
	switch own := m.cfg.ID(); {
	case !isTrusted && e.origin != from.id, e.origin == own:
		return
	case origin == nil || !origin.isFellow || origin.run != e.run: // it joins or left just now, or was made up
		return
	case e.to != "" && e.to != own:
		if isTrusted && spend(data) {
			m.route(e.to, channel, data, e.origin, from)
		}
		return
	}
	order := m.orderOf(origin, stream{channel, e.to != ""})
	if !order.isNew(e.n) {
		return
	}
	payload := e.payload
	if e.to == "" {
		if isTrusted {
			m.pass(channel, data, e.origin, from)
		}
		payload = bytes.Clone(payload) // what is passed on may wait still
	}
	m.heard(origin)
	order.take(e.n, len(payload), func() { m.handle(origin, e.sort, channel, payload) })
}

func (m *Mesh) orderOf(origin *member, s stream) *order {
	o := origin.orders[s]
	if o == nil {
		options := m.cfg.Channels[s.channel]
		o = &order{options: options, after: m.cfg.After, skipped: func() {
			if options == (Options{}) && m.find(origin.Peer) != nil {
				m.cfg.Missed(origin.Peer, s.channel)
			}
		}}
		origin.orders[s] = o
	}
	return o
}

// pass gives it to all neighbours but those who have it; from is nil if it is this side's own.
func (m *Mesh) pass(channel string, envelope []byte, origin string, from *member) {
	for _, p := range m.near {
		if p != from && p.id != origin && (from == nil || p.IsTrusted()) {
			p.Carry(channel, envelope, origin)
		}
	}
}

// route gives it to the one it is for, or to whoever is thought to be nearer to that one.
func (m *Mesh) route(to, channel string, envelope []byte, origin string, from *member) bool {
	distances := m.graph.distances(to)
	var way *member
	for _, p := range m.near {
		if p == from || !p.IsTrusted() && (from != nil || p.id != to) {
			continue
		}
		if way == nil || farther(distances, way.id, p.id) {
			way = p
		}
	}
	return way != nil && way.Carry(channel, envelope, origin+" "+to)
}

// farther says whether one is farther away than another.
func farther(distances map[string]int, one, other string) bool {
	a, knownA := distances[one]
	b, knownB := distances[other]
	return knownB && (!knownA || cmp.Less(b, a))
}

func (m *Mesh) handle(origin *member, s sort, channel string, payload []byte) {
	if origin = m.find(origin.Peer); origin == nil { // it may have been away since
		return
	}
	switch s {
	case message:
		m.cfg.Deliver(origin.Peer, channel, payload)
	case who:
		m.say(here, "", origin)
	case lost:
		if !origin.IsTrusted() {
			return
		}
		if string(payload) == m.cfg.ID() {
			m.say(here, "", nil)
		} else if p := m.members[string(payload)]; p != nil && !p.isNear { // else it counts when that connection is gone
			m.doubt(p)
		}
	}
}

// say says something to all, or to one.
func (m *Mesh) say(s sort, about string, to *member) {
	switch {
	case m.control == "":
	case to == nil:
		m.toAll(m.control, s, []byte(about))
	default:
		m.toOne(to, m.control, s, []byte(about))
	}
}

// Look looks whether there is a way to a peer, or none any more.
func (m *Mesh) Look(p Peer) {
	if each := m.find(p); each != nil {
		m.look(each)
	}
}

func (m *Mesh) look(p *member) {
	isThere := m.members[p.id] == p
	isNear := isThere && p.isFellow && isNear(p.Peer) && p.Carries(m.control)
	if isNear == p.isNear {
		return
	}
	p.isNear = isNear
	if isNear {
		m.near = append(m.near, p)
		p.isHeard = true
		p.soundings++
		if len(m.near) == 1 {
			m.returned()
		}
		return
	}
	m.near = slices.DeleteFunc(m.near, func(o *member) bool { return o == p })
	switch {
	case !m.isMeshed:
		p.isHeard = false
	case len(m.near) == 0:
		for _, each := range m.sorted() {
			m.unheard(each)
		}
	case !isThere || p.HasWay(): // neither side needs the way any more
	case p.isWanted:
		m.say(lost, p.id, nil)
		m.doubt(p)
	default: // its own neighbours may have said so before
		m.question(p)
	}
}

// Question asks a peer that may be gone: it is lost, unless it answers soon.
func (m *Mesh) Question(p Peer) {
	if each := m.find(p); each != nil && each.isHeard && !each.isNear {
		m.question(each)
	}
}

func (m *Mesh) question(p *member) {
	m.say(who, "", p)
	m.doubt(p)
}

// returned takes note that there is a neighbour, and there was none: what others said meanwhile is not waited for.
func (m *Mesh) returned() {
	for _, p := range m.members {
		for _, o := range p.orders {
			o.leap()
		}
	}
	m.asks = 0
	m.ask()
}

// ask asks who is there, and again while somebody was not heard of.
func (m *Mesh) ask() {
	if m.cancelAsk != nil {
		m.cancelAsk()
		m.cancelAsk = nil
	}
	isSilent := func(p *member) bool { return p.isFellow && !p.isHeard }
	if m.isClosed || !m.isMeshed || len(m.near) == 0 || m.asks >= askMost || !slices.ContainsFunc(m.sorted(), isSilent) {
		return
	}
	m.say(who, "", nil)
	m.askIn(firstPause << m.asks)
	m.asks++
}

func (m *Mesh) askIn(pause time.Duration) {
	m.cancelAsk = m.cfg.After(pause, func() {
		m.cancelAsk = nil
		m.ask()
	})
}

func (m *Mesh) heard(p *member) {
	p.soundings++
	if !p.isHeard {
		p.isHeard = true
		m.cfg.Changed(p.Peer)
	}
}

func (m *Mesh) unheard(p *member) {
	if !p.isHeard || p.isNear || m.members[p.id] != p {
		return
	}
	p.isHeard = false
	m.cfg.Changed(p.Peer)
	m.asks = 0
	if m.cancelAsk == nil && !m.isClosed {
		m.askIn(firstPause)
	}
}

// doubt takes note that a peer is lost, unless something of it comes soon.
func (m *Mesh) doubt(p *member) {
	soundings := p.soundings
	if p.doubted == soundings+1 || m.isClosed {
		return
	}
	p.doubted = soundings + 1
	m.cfg.After(refuteTime, func() {
		if p.doubted == soundings+1 {
			p.doubted = 0
		}
		if p.soundings == soundings && m.members[p.id] == p {
			m.unheard(p)
		}
	})
}
