package peers

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/parley-rtc/parley/client"
)

const (
	tooYoung    = 2 * time.Second // a connection younger than this is not given up because the other side asks for another
	earlyMost   = 8               // notes of candidates kept until their offer comes
	closingMost = 8               // connections to a peer that are being closed, after which no other is begun
)

// remote is the connection to a peer, which is renewed for as long as the peer is there.
type remote struct {
	recovery   recovery
	ownEpoch   int64 // under which this side was last seen by the peer
	connection *connection
	closing    int        // connections that are not closed yet
	newest     generation // seen or made
	early      []*note    // candidates whose offer did not come yet
	health     health
	wasUp      bool
	relay      *serverRelay  // nil: messages do not go through the server
	ready      *connection   // the last one that was
	doomed     *connection   // the one that was ready before a way through the server was wished for
	deaf       bool          // the other side said that it has no WebRTC
	route      route         // of the connection; its kind is "" while that is not known
	rtt        time.Duration // 0: not measured
	serial     int64         // of its last note that had a valid proof
	told       map[error]bool
	saidKey    bool // this side said the name of its key
	over       bool

	verdict
	edge
}

func newPeer(room *Room, entry client.Peer) *Peer {
	p := &Peer{
		room: room, id: entry.ID, instance: entry.Instance,
		view:   view{entry: entry, listed: true, state: Connecting},
		open:   map[string]*pipe{},
		change: make(chan struct{}),
	}
	p.ownEpoch, p.askedAt = room.epoch, room.now()
	p.told = map[error]bool{}
	p.recovery = recovery{
		after:     room.after,
		health:    connected,
		isFirst:   p.offers,
		canSignal: func() bool { return p.canSignal() && !p.deaf && !p.isUnwanted },
		restart: func() {
			if p.connection != nil {
				p.connection.restart()
			}
		},
		renew: p.renew,
	}
	p.createRelay()
	p.recovery.update(none)
	p.reach()
	return p
}

// offers says whether this side begins connections: of two peers it is the one who came later.
func (p *Peer) offers() bool { return p.room.epoch > p.view.entry.Epoch }

// adopt takes over what the roster says. Under a new epoch of either side, what was on its way may be lost.
func (p *Peer) adopt(entry client.Peer) {
	before, listed := p.view.entry, p.view.listed
	rejoined := entry.Epoch != before.Epoch || p.room.epoch != p.ownEpoch
	p.ownEpoch = p.room.epoch
	p.update(func(v *view) { v.entry, v.listed = entry, true })
	if rejoined {
		delay := tooYoung
		if p.offers() {
			delay = 0
		}
		p.recovery.disturbed(delay)
		if p.relay != nil {
			p.relay.again()
		}
	}
	if !listed || before.Name != entry.Name || before.Presence != entry.Presence || !bytes.Equal(before.Meta, entry.Meta) {
		p.room.changed(p)
	}
}

// receive takes the data of a signal from this peer.
func (p *Peer) receive(data []byte) {
	n, err := parseNote(data)
	if errors.Is(err, errUnknownKind) {
		return
	}
	if err != nil {
		p.tell(ErrNoteUnreadable, errors.Join(ErrNoteUnreadable, err))
		return
	}
	switch n.kind {
	case kindKey:
		p.refusedKey(n.key)
		return
	case kindRelayed:
		if p.relay != nil {
			p.relay.piece(n)
		}
		return
	case kindDescription, kindRelay, kindRenew:
		believed, proven := p.trusts(n)
		if !believed {
			return
		}
		if n.kind == kindRelay {
			p.relayAsked(n, proven)
			return
		}
		p.deaf = false
	}
	order := n.generation.compare(p.newest)
	switch {
	case n.kind == kindRenew:
		p.asked(n.generation, order)
	case order == 0 && p.connection != nil:
		p.connection.receive(n)
	case order < 0:
	case n.kind == kindCandidates:
		if len(p.early) < earlyMost {
			p.early = append(p.early, n)
		}
	case n.description.Type == offer:
		early := slices.DeleteFunc(p.early, func(o *note) bool { return o.generation != n.generation })
		if !p.begin(n.generation, false) {
			return
		}
		p.connection.receive(n)
		for _, o := range early {
			p.connection.receive(o)
		}
	}
}

// refused takes note that a note to this peer was refused, and may have mattered.
func (p *Peer) refused(retryAfter time.Duration) {
	delay := max(time.Second, retryAfter)
	p.recovery.disturbed(delay)
	if p.relay != nil {
		p.relay.resend(delay)
	}
}

func (p *Peer) signalingIsBack() {
	p.recovery.signalingIsBack()
	if p.relay != nil {
		p.relay.again()
	}
}

// close ends the peer; why is what its channels return.
func (p *Peer) close(why error) {
	if p.over {
		return
	}
	p.over = true
	p.recovery.stop()
	p.mu.Lock()
	p.why = why
	p.view.state = Closed
	p.changed()
	p.mu.Unlock()
	p.shut(why, true)
	if p.relay != nil {
		p.relay.close()
	}
	p.drop(why)
}

// drop closes the connection.
func (p *Peer) drop(why error) {
	if p.connection != nil {
		p.connection.close(why)
		p.connection = nil
	}
}

func (p *Peer) renew() {
	if !p.offers() {
		p.send(&note{kind: kindRenew, generation: p.newest})
		return
	}
	// The next one compares greater in any case. What this peer counts to says nothing to the others.
	p.room.count++
	next := generation{max(p.room.epoch, p.newest.epoch), max(p.room.count, p.newest.count+1)}
	if next.count > maxWhole { // it was made up
		next = generation{next.epoch + 1, p.room.count}
	}
	p.begin(next, true)
}

// asked takes note that the other side asks for another connection than that of a generation.
func (p *Peer) asked(g generation, order int) {
	if !p.offers() {
		return
	}
	if order > 0 {
		p.newest = g
	}
	age := time.Duration(math.MaxInt64)
	if p.connection != nil {
		age = time.Since(p.connection.begun)
	}
	// Asked about an earlier one than the newest, the newest may just be on its way.
	if order == 0 || age > tooYoung {
		p.renew()
	}
}

func (p *Peer) begin(g generation, mine bool) bool {
	if p.over {
		return false
	}
	if p.closing >= closingMost {
		p.tell(ErrTooMuch, errors.Join(ErrTooMuch, errors.New("connections at once")))
		p.recovery.disturbed(time.Second)
		return false
	}
	p.shut(ErrLost, false)
	p.drop(ErrLost)
	p.newest = g
	p.early = nil
	p.isFading, p.askedAt = false, p.room.now()
	p.recovery.began()
	c, err := newConnection(p, g, mine)
	if err != nil {
		p.room.fault(p, err)
	}
	p.connection = c
	p.rtt, p.route = 0, route{}
	p.show()
	p.check()
	return c != nil
}

// shut takes channels away from the app: those of the connection, or also those that go through the server.
func (p *Peer) shut(why error, also bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, pipe := range p.open {
		if also || !pipe.relayed && !pipe.isMeshed() {
			pipe.finish(why)
			delete(p.open, name)
		}
	}
}

// send signs a note, if it is to be, and sends it.
func (p *Peer) send(n *note) {
	if k := p.room.keyring; k != nil && n.isSigned() {
		p.room.serial++
		k.prove(n, p.room.self(), p.party(), p.room.serial)
	}
	p.room.mail.send(p, p.view.entry.Epoch, n)
}

func (p *Peer) party() party { return party{p.id, p.instance} }

// trusts checks a note's proof, and tells of what is wrong with it: whether it is to be believed, and whether it had one.
func (p *Peer) trusts(n *note) (believed, proven bool) {
	k := p.room.keyring
	if k == nil {
		return true, false
	}
	err := k.check(n, p.party(), p.room.self(), p.serial)
	if err == nil {
		p.serial = n.proof.Serial
	}
	allowed := err == nil || errors.Is(err, ErrNoKey) && p.room.cfg.AllowUnverified
	if allowed {
		p.unproven = p.unproven || err != nil
		p.isRefused = false
		if verified := !p.unproven; p.verified != verified {
			p.verified = verified
			p.show()
			p.room.changed(p)
		}
		return true, err == nil
	}
	p.isRefused = p.isRefused || !p.verified
	if (errors.Is(err, ErrNoKey) || errors.Is(err, ErrOtherKey)) && !p.saidKey {
		p.saidKey = true
		p.send(&note{kind: kindKey, key: k.id})
	}
	p.tell(err, err)
	return false, false
}

// refusedKey takes note that the peer refused this side, and what its key is called.
func (p *Peer) refusedKey(id string) {
	if k := p.room.keyring; k == nil {
		p.isRefused = true
		p.tell(ErrKeyNeeded, ErrKeyNeeded)
	} else if k.id != id {
		p.isRefused = p.isRefused || !p.verified
		p.tell(ErrOtherKey, ErrOtherKey)
	}
}

// tell tells the app of a fault of this peer, once for each kind.
func (p *Peer) tell(kind, err error) {
	if !p.told[kind] {
		p.told[kind] = true
		p.room.fault(p, err)
	}
}

func (p *Peer) malformed(err error) { p.tell(ErrMessageDropped, err) }

// compare says once that the peer's channels have other names than this side's.
func (p *Peer) compare(near, far []string) {
	without := func(names, others []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
	}
	here, there := without(near, far), without(far, near)
	if len(here)+len(there) > 0 {
		p.tell(errDiffer, &ChannelsDifferError{here, there})
	}
}

var errDiffer = errors.New("peers: channels differ")

// opened takes note that a channel can be used.
func (p *Peer) opened(pipe *pipe) {
	if p.open[pipe.name] == pipe {
		return
	}
	p.mu.Lock()
	p.open[pipe.name] = pipe
	p.changed()
	p.mu.Unlock()
	p.room.lobby.add(pipe.current())
}

// check looks at how the connection is doing, and tells if that changed.
func (p *Peer) check() {
	now := none
	if p.connection != nil {
		now = p.connection.health()
	}
	if now == p.health || p.over {
		return
	}
	p.health = now
	if now == connected {
		p.wasUp, p.isRefused = true, false
		p.ready = p.connection
	}
	p.recovery.update(now)
	p.reach()
	p.settle()
	p.show()
	p.room.changed(p)
}

func (p *Peer) measured(sample time.Duration) {
	before := p.rtt
	if p.rtt = sample; before > 0 {
		p.rtt = before + (sample-before)/4
	}
	p.rtt = max(p.rtt, 1)
	p.show()
	if p.route.kind != "" && (before == 0 || before.Round(time.Millisecond) != p.rtt.Round(time.Millisecond)) {
		p.room.changed(p)
	}
}

func (p *Peer) routed(r route) {
	if p.route.kind == r.kind && p.route.protocol == r.protocol {
		return
	}
	p.route = r
	p.show()
	p.room.changed(p)
}
