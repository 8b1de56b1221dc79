package mesh

import (
	"fmt"
	"slices"
	"time"
)

// stillClock passes when it is told to.
type stillClock struct {
	time   time.Duration
	timers []*stillTimer
}

type stillTimer struct {
	due  time.Duration
	call func()
}

func (c *stillClock) now() time.Duration { return c.time }

func (c *stillClock) after(delay time.Duration, call func()) func() {
	timer := &stillTimer{c.time + delay, call}
	c.timers = append(c.timers, timer)
	return func() { timer.call = func() {} }
}

func (c *stillClock) pass(d time.Duration) {
	end := c.time + d
	for {
		first := -1
		for i, t := range c.timers {
			if t.due <= end && (first < 0 || t.due < c.timers[first].due) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		t := c.timers[first]
		c.timers = slices.Delete(c.timers, first, first+1)
		c.time = max(c.time, t.due)
		t.call()
	}
	c.time = end
}

const (
	connectTime = 150 * time.Millisecond // until an edge that is wanted is there
	noticeTime  = 6 * time.Second        // until one fails of which an end vanished
)

// lattice is a room with many peers, without any connection.
type lattice struct {
	stillClock
	channels map[string]Options
	pages    []*page
	carried  int // envelopes that went over edges
	delay    func() time.Duration
}

func newLattice(channels map[string]Options) *lattice {
	if channels == nil {
		channels = map[string]Options{"text": {}, "carets": {Unordered: true, LatestOnly: true}}
	}
	return &lattice{channels: channels, delay: func() time.Duration { return 5 * time.Millisecond }}
}

// page is one peer of a lattice.
type page struct {
	*Mesh
	*lattice
	id      string
	peers   map[string]*far
	got     []heard
	missed  int
	changes int
	isGone  bool
}

type heard struct{ from, channel, text string }

// far is a page as another one sees it.
type far struct {
	owner, page *page

	isListed, hasWay, isFading, isRefused, isUntrusted, isBlocked bool

	wanted      bool
	isSpare     bool
	spareSince  time.Duration
	noticeTime  time.Duration
	drops       int
	carry       func() // in place of carrying
	connectings int
	record      Record
}

func (l *lattice) join(id string) *page {
	p := &page{lattice: l, id: id, peers: map[string]*far{}}
	p.Mesh = New(Config{
		ID: func() string { return id }, Instance: p.instance(), Channels: l.channels, Now: l.now, After: l.after,
		Deliver: func(from Peer, channel string, payload []byte) {
			p.got = append(p.got, heard{from.ID(), channel, string(payload)})
		},
		Missed:  func(Peer, string) { p.missed++ },
		Changed: func(Peer) { p.changes++ },
		Meshed:  func() {},
	})
	for _, other := range l.alive() {
		other.meet(p)
		p.meet(other)
	}
	l.pages = append(l.pages, p)
	for _, each := range l.alive() {
		each.Update()
	}
	return p
}

func (p *page) meet(other *page) *far {
	f := &far{owner: p, page: other, isListed: true, noticeTime: noticeTime}
	p.peers[other.id] = f
	p.Add(f)
	return f
}

func (l *lattice) alive() []*page {
	return slices.DeleteFunc(slices.Clone(l.pages), func(p *page) bool { return p.isGone })
}

func (p *page) instance() string { return "run-" + p.id + Mark }

func (p *page) degree() (n int) {
	for _, f := range p.peers {
		if isNear(f) {
			n++
		}
	}
	return n
}

func (p *page) say(text string) { p.Broadcast("text", []byte(text)) }

// texts returns what came from one on the channel text.
func (p *page) texts(from *page) (texts []string) {
	for _, h := range p.got {
		if h.from == from.id && h.channel == "text" {
			texts = append(texts, h.text)
		}
	}
	return texts
}

// some returns the first peer, by id, of those that are near or not.
func (p *page) some(near bool) *far {
	for _, other := range p.pages {
		if f := p.peers[other.id]; f != nil && isNear(f) == near {
			return f
		}
	}
	panic(fmt.Sprintf("nobody is near: %v", near))
}

// leave has a page leave: everybody is told.
func (l *lattice) leave(p *page) {
	l.vanish(p)
	for _, other := range l.alive() {
		f := other.peers[p.id]
		f.hasWay = false
		delete(other.peers, p.id)
		other.Remove(f)
		other.Update()
	}
}

// vanish has a page go without a word, which its neighbours notice later.
func (l *lattice) vanish(p *page) {
	p.isGone = true
	p.Close()
	for _, other := range l.alive() {
		if f := other.peers[p.id]; f.hasWay {
			l.after(f.noticeTime, func() { l.cut(f) })
		}
	}
}

func (f *far) other() *far { return f.page.peers[f.owner.id] }

func (l *lattice) connect(f *far) {
	other := f.other()
	if other == nil || f.owner.isGone || f.page.isGone || f.owner.peers[f.page.id] != f {
		return
	}
	for _, each := range []*far{f, other} {
		if !each.hasWay {
			each.hasWay, each.isFading = true, false
			each.owner.Look(each)
		}
	}
}

// cut has an edge fail, or end because neither side needs it.
func (l *lattice) cut(f *far) {
	for _, each := range []*far{f, f.other()} {
		if each == nil {
			continue
		}
		each.hasWay, each.isFading = false, false
		if each.owner.isGone {
			continue
		}
		each.owner.Look(each)
		each.connectIn()
	}
}

func (f *far) connectIn() {
	if f.wanted && !f.hasWay {
		f.owner.after(connectTime, func() { f.owner.connect(f) })
	}
}

func (f *far) ID() string               { return f.page.id }
func (f *far) Instance() string         { return f.page.instance() }
func (f *far) Record() *Record          { return &f.record }
func (f *far) IsListed() bool           { return f.isListed }
func (f *far) HasWay() bool             { return f.hasWay }
func (f *far) IsFading() bool           { return f.isFading }
func (f *far) IsRefused() bool          { return f.isRefused }
func (f *far) IsTrusted() bool          { return !f.isUntrusted }
func (f *far) Carries(name string) bool { _, is := f.owner.channels[name]; return is }
func (f *far) Drop()                    { f.drops++ }

func (f *far) Want(wanted bool) {
	begins := wanted && !f.wanted
	if f.wanted = wanted; begins {
		f.connectIn()
	}
}

func (f *far) Spare(spare bool) {
	f.isSpare = spare && !f.wanted
	other := f.other()
	fading := f.hasWay && f.isSpare && other != nil && other.isSpare
	if fading && !f.isFading {
		f.spareSince = f.owner.now()
	}
	if fading != f.isFading {
		f.isFading = fading
		f.owner.Look(f)
	}
	if fading && f.owner.now() >= f.spareSince+3*time.Second {
		f.owner.cut(f)
	}
}

func (f *far) Carry(channel string, envelope []byte, _ string) bool {
	l := f.owner.lattice
	switch {
	case f.carry != nil:
		f.carry()
		return true
	case !isNear(f) || f.isBlocked || f.owner.isGone:
		return false
	}
	l.carried++
	envelope = slices.Clone(envelope)
	l.after(l.delay(), func() {
		if back := f.other(); !f.page.isGone && back != nil && back.hasWay {
			f.page.Receive(back, channel, envelope)
		}
	})
	return true
}
