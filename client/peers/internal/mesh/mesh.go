package mesh

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Peer is somebody else in the room.
type Peer interface {
	ID() string
	Instance() string

	// Record returns what the mesh keeps of it, always the same.
	Record() *Record

	// IsListed says whether the server counts it among those in the room.
	IsListed() bool

	// HasWay says whether there is a way to it that no other peer is on; IsFading whether that is used no more, and ends soon.
	HasWay() bool
	IsFading() bool

	// IsRefused says whether one of both believes nothing that the other one says.
	IsRefused() bool

	// IsTrusted says whether it has the room's key, as far as that can be known here; else it speaks for itself alone, and hears this side alone.
	IsTrusted() bool

	// Carries says whether a channel is open on the way to it.
	Carries(channel string) bool

	// Want says whether this side is to be connected to it.
	Want(bool)

	// Spare says whether this side can do without a connection to it. It is said again and again.
	Spare(bool)

	// Carry gives it an envelope, which nobody changes any more; false when it has no such channel, or too much waits. Where only the latest is kept,
	// that is so for each key.
	Carry(channel string, envelope []byte, key string) bool

	// Drop takes note that something which came from it was malformed.
	Drop()
}

// Config is what a mesh works with.
type Config struct {
	ID       func() string // of this side
	Instance string        // of this side
	Channels map[string]Options

	Now   func() time.Duration
	After func(time.Duration, func()) (cancel func())

	Deliver func(from Peer, channel string, payload []byte) // the payload is its own
	Missed  func(from Peer, channel string)                 // messages of an ordered and complete channel are missing before the next one
	Changed func(Peer)                                      // whether it is heard of is another
	Meshed  func()                                          // whether messages are passed on is another
}

// Record is what is known of a peer's messages, for as long as it is this peer, even while it is not in the room. The zero value knows nothing.
type Record struct {
	orders map[stream]*order
	sent   map[string]uint32 // the number of the last message for this one alone, by channel
}

// member is a peer that is in the room.
type member struct {
	Peer
	id       string
	run      uint32
	isFellow bool // it takes part
	isWanted bool

	missing   time.Duration // since when there is no way, though it is wanted; see isMissing
	isMissing bool

	isNear    bool              // as it was told last
	isHeard   bool              // straight or through others, and it was not said to be lost since
	doubted   int               // one more than soundings was when it was doubted last; 0 when it is known whether it is lost
	soundings int               // how often it was heard of
	orders    map[stream]*order // those of its record
	sent      map[string]uint32
}

// stream is what one origin sends on one channel, to all or to this side alone.
type stream struct {
	channel string
	toOne   bool
}

// Mesh is this side's part of the mesh.
type Mesh struct {
	cfg     Config
	run     uint32
	control string // the channel of what is no message of the app; "": there is none
	members map[string]*member

	// Who is to be connected to whom.
	graph        graph
	isPartial    bool
	isMeshed     bool
	isMissing    bool // some neighbour
	missingSince time.Duration
	isUpdating   bool
	updateAgain  bool
	cancelTick   func()

	// What is passed on.
	near      []*member
	sent      map[string]uint32 // to all, by channel
	sentMost  map[string]uint32 // the greatest number of those to one, by channel
	asks      int
	cancelAsk func()
	isClosed  bool
}

// New returns a mesh of this side alone.
func New(cfg Config) *Mesh {
	m := &Mesh{cfg: cfg, run: Hash(cfg.Instance), members: map[string]*member{}, sent: map[string]uint32{}, sentMost: map[string]uint32{}}
	names := slices.Sorted(maps.Keys(cfg.Channels))
	isSafe := func(name string) bool { return cfg.Channels[name] == Options{} }
	switch i := slices.IndexFunc(names, isSafe); {
	case i >= 0:
		m.control = names[i]
	case len(names) > 0:
		m.control = names[0]
	}
	return m
}

// IsMeshed says whether messages to all are passed on by neighbours.
func (m *Mesh) IsMeshed() bool { return m.isMeshed }

// IsHeard says whether a peer is there, straight or through others.
func (m *Mesh) IsHeard(p Peer) bool {
	each := m.find(p)
	return each != nil && each.isHeard
}

// find returns the member that a peer is; nil: it is not in the room.
func (m *Mesh) find(p Peer) *member {
	if each := m.members[p.ID()]; each != nil && each.Peer == p {
		return each
	}
	return nil
}

// Add takes note of a peer that is in the room. [Mesh.Update] is to follow.
func (m *Mesh) Add(p Peer) {
	id, instance := p.ID(), p.Instance()
	record := p.Record()
	if record.orders == nil {
		*record = Record{orders: map[stream]*order{}, sent: map[string]uint32{}}
	}
	m.members[id] = &member{
		Peer: p, id: id, run: Hash(instance), isFellow: IsFellow(instance), isWanted: true, orders: record.orders, sent: record.sent,
	}
	m.Look(p)
}

// Remove takes note of a peer that is in the room no more. [Mesh.Update] is to follow.
func (m *Mesh) Remove(p Peer) {
	each := m.find(p)
	if each == nil {
		return
	}
	delete(m.members, each.id)
	m.look(each)
}

// IsFellow says whether a peer of an instance takes part.
func IsFellow(instance string) bool {
	return len(instance) >= len(Mark) && instance[len(instance)-len(Mark):] == Mark
}

// Close ends it.
func (m *Mesh) Close() {
	m.isClosed = true
	for _, cancel := range []func(){m.cancelTick, m.cancelAsk} {
		if cancel != nil {
			cancel()
		}
	}
	m.cancelTick, m.cancelAsk = nil, nil
}

// sorted returns all members, by id, so that all happens in the same order each time.
func (m *Mesh) sorted() []*member {
	return slices.SortedFunc(maps.Values(m.members), func(a, b *member) int { return cmp.Compare(a.id, b.id) })
}
