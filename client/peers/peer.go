package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/parley-rtc/parley/client"
)

// State is how the connection to a peer is doing.
type State string

// The states. Reconnecting may last: it ends when the peer is back or has left the room.
const (
	Connecting   State = "connecting"
	Connected    State = "connected"
	Reconnecting State = "reconnecting"
	Closed       State = "closed"
)

// Peer is somebody else in the room: one process or page of theirs. One that takes another's place is another Peer. Its methods may
// be called concurrently, and tell what holds now.
type Peer struct {
	room     *Room
	id       string
	instance string

	mu     sync.Mutex
	view   view             // guarded by mu
	open   map[string]*pipe // guarded by mu; those that can be written
	change chan struct{}    // guarded by mu; closed when open or the state is another
	why    error            // guarded by mu; not nil: it is gone

	remote // owned by the room's goroutine
}

// view is what the app sees.
type view struct {
	entry    client.Peer
	listed   bool // the server counts the peer among those in the room
	state    State
	path     Path
	verified bool
}

// ID returns the id under which the server knows the peer.
func (p *Peer) ID() string { return p.id }

// Instance returns what stays the same while a process or page lives.
func (p *Peer) Instance() string { return p.instance }

// Name returns the peer's name, "" if it has none.
func (p *Peer) Name() string { return p.look().entry.Name }

// Meta returns what the peer shows of itself, nil if nothing.
func (p *Peer) Meta() json.RawMessage { return p.look().entry.Meta }

// Presence returns what the server knows of the peer: it has a link ("here"), it has none just now ("away"), or its page said good-bye
// and may be back ("leaving").
func (p *Peer) Presence() string {
	v := p.look()
	if !v.listed {
		return "away"
	}
	return v.entry.Presence
}

// State returns how the connection is doing.
func (p *Peer) State() State { return p.look().state }

// Path returns how packets go; its Kind is "" while that is not known.
func (p *Peer) Path() Path { return p.look().path }

// Verified says whether the peer has proved to have the room's key, so that nobody is between; of a peer whose Path is [Mesh], whether others who have the
// key, and nobody else, pass on what it says.
func (p *Peer) Verified() bool { return p.look().verified }

// Buffered returns how many bytes were written to all channels and are not known to have arrived.
func (p *Peer) Buffered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, pipe := range p.open {
		n += pipe.buffered()
	}
	return n
}

// String returns the peer's id.
func (p *Peer) String() string { return p.id }

func (p *Peer) look() view {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view
}

// Open returns a channel to the peer, once it is open: the same one each time, until it is closed or its connection is replaced. It waits until ctx
// ends, and returns [ErrClosed] when the peer is gone. The room was joined with the channel's name.
func (p *Peer) Open(ctx context.Context, name string) (*Channel, error) {
	if _, is := p.room.cfg.Channels[name]; !is {
		return nil, fmt.Errorf("peers: the room was joined without a channel %q", name)
	}
	for {
		p.mu.Lock()
		pipe, why, change := p.open[name], p.why, p.change
		p.mu.Unlock()
		if why != nil {
			return nil, ErrClosed
		}
		if pipe != nil && !isClosed(pipe.over) {
			channel := pipe.current()
			p.room.lobby.take(channel)
			return channel, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil, fmt.Errorf("peers: channel %q to %s is not open: %w", name, p.id, ctx.Err())
		}
	}
}

// update changes what the app sees.
func (p *Peer) update(do func(v *view)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do(&p.view)
}

// changed wakes who waits for a channel. The caller holds mu.
func (p *Peer) changed() {
	close(p.change)
	p.change = make(chan struct{})
}
