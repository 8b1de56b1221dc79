package turn

import (
	"fmt"
	"time"

	"github.com/pion/stun/v3"
)

// Engine is the protocol machine of one worker. It has no lock: its owner calls one method at a time.
// The time passed in must not go back.
type Engine struct {
	cfg      Config
	shared   *Shared
	sink     Sink
	ports    Ports
	policy   Policy
	nonces   noncer
	counters Counters

	allocations map[tuple]*allocation
	schedule    schedule
	reserved    []*reservation // made by this engine, in the order they expire
	lease       lease          // of the shared pool

	in      *stun.Message // the request being handled
	out     *stun.Message // the answer to it
	scratch [64]byte      // attribute values of answers
	head    [64]byte      // headers of what goes to clients
	peers   []judged      // of the request
	unknown [maxUnknown]stun.AttrType

	salt        [4]byte // of transaction ids of indications
	indications uint64
}

// New returns an engine without allocations, or every fault of the configuration at once.
func New(cfg Config) (*Engine, error) {
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, fmt.Errorf("turn: %w", err)
	}
	feature := byte(featureAlgorithms)
	if cfg.Username != nil {
		feature |= featureAnonymity
	}
	e := &Engine{
		cfg:         cfg,
		shared:      cfg.Shared,
		sink:        cfg.Sink,
		ports:       cfg.Ports,
		policy:      cfg.Policy,
		nonces:      newNoncer(cfg.Shared.nonceKey[:], feature),
		allocations: make(map[tuple]*allocation),
		in:          stun.NewWithOptions(stun.WithStrict(true)),
		out:         stun.New(),
	}
	random(e.salt[:])
	return e, nil
}

// FromClient handles a datagram of a client, or one message on its stream as [Stream] cut it.
func (e *Engine) FromClient(now time.Time, c Client, p []byte) Effect {
	switch {
	case len(p) == 0:
		e.drop(DroppedEmpty)
	case isMessage(p[0]):
		return e.message(now, c, p)
	case isChannelData(p[0], e.cfg.WideChannels):
		e.channelData(now, c, p)
	default:
		e.drop(DroppedFirstByte)
		return Effect{Hangup: c.Transport.Stream()}
	}
	return Effect{}
}

// Has reports whether a client has an allocation.
func (e *Engine) Has(c Client) bool { return e.allocations[c.tuple()] != nil }

// Len returns the number of allocations.
func (e *Engine) Len() int { return len(e.allocations) }

// Gone ends what a client has when its connection is closed.
func (e *Engine) Gone(c Client) {
	if a := e.allocations[c.tuple()]; a != nil {
		e.end(a, EndedGone)
	}
}

// Close ends every allocation and gives back the ports kept for later ones.
func (e *Engine) Close() {
	for _, a := range e.allocations {
		e.end(a, EndedClosed)
	}
	for _, r := range e.reserved {
		if e.shared.kept.expire(r) {
			r.kept.Release()
			e.shared.quota.leave(r.user, r.source, 1)
		}
	}
	e.reserved = nil
}

// Revoke ends every allocation of a user and returns how many there were. Shared.Revoke refuses new
// ones.
func (e *Engine) Revoke(user string) int {
	n := 0
	for _, a := range e.allocations {
		if a.user == user {
			e.end(a, EndedRevoked)
			n++
		}
	}
	return n
}

// SetPolicy changes the policy and ends permissions, channels and connections to peers that it denies. It
// returns how many permissions that were. Call it also when what a policy knows has changed.
func (e *Engine) SetPolicy(p Policy) int {
	e.UsePolicy(p)
	n := 0
	for _, a := range e.allocations {
		n += e.rejudge(a)
	}
	return n
}

// UsePolicy is the first half of SetPolicy, for an owner that has packets to relay in between: the policy holds for
// what is asked for from now on. Rejudge does the rest, client by client.
func (e *Engine) UsePolicy(p Policy) { e.policy = p }

// Rejudge ends what a client's allocation has with peers that the policy denies, and returns how many permissions
// that were.
func (e *Engine) Rejudge(c Client) int {
	if a := e.allocations[c.tuple()]; a != nil {
		return e.rejudge(a)
	}
	return 0
}

// Next returns when Expire should be called next, or zero if there is nothing to expire.
func (e *Engine) Next() time.Time {
	var next time.Time
	if len(e.schedule) > 0 {
		next = e.schedule[0].due
	}
	if len(e.reserved) > 0 && (next.IsZero() || e.reserved[0].expires.Before(next)) {
		next = e.reserved[0].expires
	}
	return next
}

// Expire ends what is due. Nothing depends on how late it is called, but memory and ports: what has
// expired does not count any more.
func (e *Engine) Expire(now time.Time) {
	for len(e.schedule) > 0 && !now.Before(e.schedule[0].due) {
		e.tick(e.schedule[0], now)
	}
	e.expireReservations(now)
}

// Counters returns what the engine has counted.
func (e *Engine) Counters() Counters { return e.counters }

// Allocation describes the allocation of a client, and reports whether there is one.
func (e *Engine) Allocation(c Client) (Info, bool) {
	if a := e.allocations[c.tuple()]; a != nil {
		return a.info(), true
	}
	return Info{}, false
}

// Clients calls f for every client that has an allocation, with the allocation's serial number. One that is not among them
// has a number above that which [Shared.Serial] returns before.
func (e *Engine) Clients(f func(c Client, serial uint64)) {
	for _, a := range e.allocations {
		f(a.client, a.serial)
	}
}

// Allocations calls f for every allocation.
func (e *Engine) Allocations(f func(Info)) {
	for _, a := range e.allocations {
		f(a.info())
	}
}

func (e *Engine) drop(d Drop) { e.counters.DropsBy[d]++ }

// live returns the allocation of a client, unless it has expired and only waits to be ended.
func (e *Engine) live(key tuple, now time.Time) *allocation {
	a := e.allocations[key]
	if a == nil || now.Before(a.due) {
		return a
	}
	e.tick(a, now)
	if a.ended {
		return nil
	}
	return a
}
