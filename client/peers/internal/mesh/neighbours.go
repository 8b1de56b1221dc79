package mesh

import (
	"slices"
	"time"
)

const (
	deadAfter  = 8 * time.Second // a neighbour without a way for so long is left out,
	leftOutFor = time.Minute     // for so long
	spareAfter = 15 * time.Second
	tickTime   = time.Second
)

// Update looks at everybody anew: whom this side is to be connected to.
func (m *Mesh) Update() {
	if m.isUpdating { // what it says to peers may have led here
		m.updateAgain = true
		return
	}
	m.isUpdating = true
	for range 8 {
		m.updateAgain = false
		m.update()
		if !m.updateAgain {
			break
		}
	}
	m.isUpdating = false
	idle := !m.isMeshed && !slices.ContainsFunc(m.sorted(), func(p *member) bool { return !p.isWanted })
	if m.cancelTick == nil && !idle && !m.isClosed {
		m.cancelTick = m.cfg.After(tickTime, func() {
			m.cancelTick = nil
			m.Update()
		})
	}
}

func (m *Mesh) update() {
	now := m.cfg.Now()
	before := m.isMeshed
	all := m.sorted()
	m.isPartial = isPartial(len(all)+1, m.isPartial)
	hasWay := slices.ContainsFunc(all, func(p *member) bool { return p.isFellow && p.IsListed() && isNear(p.Peer) })
	usable := map[*member]bool{}
	ids := []string{m.cfg.ID()}
	for _, p := range all {
		if p.isFellow && p.IsListed() && (!hasWay || p.isUsable(now)) {
			usable[p] = true
			ids = append(ids, p.id)
		}
	}
	m.graph = newGraph(ids)
	chosen := m.graph[m.cfg.ID()]
	isWhole := true
	for _, p := range all {
		isNear := isNear(p.Peer)
		switch {
		case !p.isFellow:
			p.isWanted = true
		case !p.IsListed():
			p.isWanted = isNear
		default:
			p.isWanted = !m.isPartial || slices.Contains(chosen, p.id)
		}
		if isNear || !p.isWanted && usable[p] {
			p.isMissing = false
		}
		if !p.isWanted || isNear {
			continue
		}
		isWhole = false
		if !hasWay || !p.isMissing {
			p.isMissing, p.missing = true, now
		}
	}
	if isWhole || !m.isMissing {
		m.isMissing, m.missingSince = !isWhole, now
	}
	isLate := now >= m.missingSince+spareAfter
	m.isMeshed = m.isPartial || before && !isWhole && !isLate
	for _, p := range all {
		if m.members[p.id] == p {
			p.Want(p.isWanted)
			p.Spare(isWhole || isLate)
		}
	}
	if before != m.isMeshed {
		m.ask()
		m.cfg.Meshed()
	}
}

// isUsable says whether a neighbour is to be one: it has a way, or may have one soon.
func (p *member) isUsable(now time.Duration) bool {
	switch {
	case !p.isMissing || now < p.missing+deadAfter:
		return !p.IsRefused()
	case now < p.missing+leftOutFor:
		return false
	}
	p.isMissing = false
	return true
}

// isNear says whether there is a way to a peer that is used.
func isNear(p Peer) bool { return p.HasWay() && !p.IsFading() }
