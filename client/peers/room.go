package peers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/client/peers/internal/mesh"
)

// drainTime is how long Leave waits for what was written to arrive.
const drainTime = 3 * time.Second

// Room is a room one has joined, and stays in until one leaves. Its methods may be called concurrently.
type Room struct {
	cfg     settled
	session *client.Session
	keyring *keyring // nil: none
	lobby   lobby
	mail    *mail

	inbox  chan func() // for the room's goroutine to call
	events chan Event
	cancel context.CancelFunc
	over   chan struct{}  // closed when the room's goroutine has ended
	work   sync.WaitGroup // all others

	mu    sync.Mutex
	peers map[string]*Peer // guarded by mu; by id; only the room's goroutine writes
	err   error            // guarded by mu; why the session is over

	meshed   atomic.Bool
	floods   atomic.Bool  // messages to all go to the neighbours
	passedAt atomic.Int64 // when others were given something to pass on last; 0: never

	live // owned by the room's goroutine
}

// Join joins a room at the server below whose URL /v1/ is, and begins to connect to the others in it. It tries until ctx ends, as [client.Join]
// does, with the same errors; ctx does not bound the stay, which ends by [Room.Leave] or [Room.Close].
func Join(ctx context.Context, server, room string, cfg Config) (*Room, error) {
	resolved, err := cfg.resolved()
	if err != nil {
		return nil, err
	}
	certificate, err := newCertificate()
	if err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	r := &Room{
		cfg:    resolved,
		inbox:  make(chan func()),
		events: make(chan Event),
		over:   make(chan struct{}),
		peers:  map[string]*Peer{},
	}
	r.lobby.arrived = make(chan struct{}, 1)
	r.certificates = []webrtc.Certificate{*certificate}
	if cfg.Key != "" {
		key, err := parseKey(cfg.Key)
		if err == nil {
			r.keyring, err = newKeyring(key, room)
		}
		if err != nil {
			return nil, err
		}
	}
	if r.session, err = client.Join(ctx, server, room, r.cfg.Client); err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.mail = newMail(r.session, func(to *Peer, err error) {
		r.post(func() { r.refused(to, err) })
	})
	r.work.Go(func() { r.mail.run(running) })
	go r.run(running)
	return r, nil
}

// ID returns the id under which the others see this side.
func (r *Room) ID() string { return r.session.ID() }

// Session returns the session that signals for the room: for its Name, Link, Change, Refresh and Secret. Its events are the room's.
func (r *Room) Session() *client.Session { return r.session }

// Peers returns the others, by id.
func (r *Room) Peers() []*Peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	peers := make([]*Peer, 0, len(r.peers))
	for _, p := range r.peers {
		peers = append(peers, p)
	}
	slices.SortFunc(peers, func(a, b *Peer) int { return cmp.Compare(a.id, b.id) })
	return peers
}

// Peer returns the peer with an id, nil if there is none.
func (r *Room) Peer(id string) *Peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peers[id]
}

// Meshed says whether there are so many peers that this side is connected to a few of them, at most 8, and others pass messages on.
func (r *Room) Meshed() bool { return r.meshed.Load() }

// Events returns the channel of events, always the same. It need not be read: what was not read yet, and is not true any more, is left
// out. It is closed by Leave and Close, which drop what has not been read.
func (r *Room) Events() <-chan Event { return r.events }

// Err returns why the session is over: nil while it is not, ErrClosed after Leave or Close. Connections live on when the
// server has ended the session, except where it says that another is this peer now.
func (r *Room) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Accept returns the next channel that opened, to any peer, and that [Peer.Open] did not return before. It waits until ctx ends, and returns [ErrClosed]
// after Leave or Close.
func (r *Room) Accept(ctx context.Context) (*Channel, error) {
	for {
		if isClosed(r.over) {
			return nil, ErrClosed
		}
		if c := r.lobby.next(); c != nil {
			return c, nil
		}
		select {
		case <-r.lobby.arrived:
		case <-r.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Broadcast writes a message to all peers to whom the channel is open, and waits for the slowest of them, until ctx ends. The error joins
// those of all to whom it could not be written. In a room that is [Room.Meshed] it gives the message to the neighbours, which pass it on; it waits while one of them has more than
// 1 MiB waiting; for a second of one that takes nothing, if others do.
func (r *Room) Broadcast(ctx context.Context, name string, message []byte) error {
	if _, is := r.cfg.Channels[name]; !is {
		return fmt.Errorf("peers: the room was joined without a channel %q", name)
	}
	if len(message) > r.cfg.MaxMessage {
		return &TooLargeError{len(message), r.cfg.MaxMessage}
	}
	var writes sync.WaitGroup
	peers := r.Peers()
	var passedOn error
	if r.floods.Load() {
		peers = slices.DeleteFunc(peers, func(p *Peer) bool { return mesh.IsFellow(p.instance) })
		writes.Go(func() { passedOn = r.flood(ctx, name, message) })
	}
	faults := make([]error, len(peers))
	for i, p := range peers {
		p.mu.Lock()
		pipe := p.open[name]
		p.mu.Unlock()
		if pipe == nil {
			continue
		}
		writes.Go(func() {
			if err := pipe.current().WriteMessage(ctx, message); err != nil {
				faults[i] = fmt.Errorf("to %s: %w", p.id, err)
			}
		})
	}
	writes.Wait()
	return errors.Join(append(faults, passedOn)...)
}

// Leave waits until what was written has arrived, for up to 3 s and until ctx ends (and for a second after others were given something to pass on, which is
// dropped once the server has told that its origin left), tells the server, and then does what Close does. An
// error means that the server could not be told: the others see the peer as lost after a while.
func (r *Room) Leave(ctx context.Context) error {
	defer r.Close()
	drain, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for (r.buffered() || r.isPassing()) && drain.Err() == nil {
		select {
		case <-tick.C:
		case <-drain.Done():
		}
	}
	return r.session.Leave(ctx)
}

func (r *Room) buffered() bool {
	return slices.ContainsFunc(r.Peers(), func(p *Peer) bool { return p.State() == Connected && p.Buffered() > 0 })
}

// Close ends the stay here, without telling the server. No goroutine of it is left when it returns.
func (r *Room) Close() {
	r.cancel()
	r.session.Close()
	<-r.over
	r.work.Wait()
}
