package peers

import (
	"time"

	"github.com/parley-rtc/parley/client/peers/internal/mesh"
)

// newMesh returns this side's part of the mesh, nil if it takes none.
func (r *Room) newMesh() *mesh.Mesh {
	if !mesh.IsFellow(r.cfg.Client.Instance) {
		return nil
	}
	channels := map[string]mesh.Options{}
	for name, o := range r.cfg.Channels {
		channels[name] = mesh.Options{Unordered: o.Unordered, LatestOnly: o.LatestOnly, Lossy: o.MaxRetransmits != nil}
	}
	return mesh.New(mesh.Config{
		ID:       func() string { return r.id },
		Instance: r.cfg.Client.Instance,
		Channels: channels,
		Now:      r.now,
		After:    r.after,
		Deliver:  func(from mesh.Peer, channel string, payload []byte) { peerOf(from).arrived(channel, payload) },
		Missed:   func(from mesh.Peer, channel string) { peerOf(from).missed(channel) },
		Changed: func(of mesh.Peer) {
			p := peerOf(of)
			p.settle()
			p.show()
			r.changed(p)
		},
		Meshed: r.remeshed,
	})
}

func (r *Room) closeMesh() {
	if r.mesh != nil {
		r.mesh.Close()
		r.mesh = nil
	}
}

// now is the time that the mesh goes by.
func (r *Room) now() time.Duration { return time.Since(processStart) * r.cfg.haste }

// spread sees who is to be connected to whom.
func (r *Room) spread() {
	if r.mesh != nil {
		r.mesh.Update()
	}
}

// look looks whether there is a way to a peer.
func (r *Room) look(p *Peer) {
	if r.mesh != nil {
		r.mesh.Look((*fellow)(p))
	}
}

// receive takes an envelope that a peer gave.
func (r *Room) receive(from *Peer, channel string, envelope []byte) {
	if r.mesh != nil {
		r.mesh.Receive((*fellow)(from), channel, envelope)
	}
}

// fellow is a peer as the mesh sees it. The room's goroutine calls it.
type fellow Peer

var _ mesh.Peer = (*fellow)(nil)

func peerOf(p mesh.Peer) *Peer { return (*Peer)(p.(*fellow)) }

func (f *fellow) peer() *Peer          { return (*Peer)(f) }
func (f *fellow) ID() string           { return f.id }
func (f *fellow) Instance() string     { return f.instance }
func (f *fellow) Record() *mesh.Record { return &f.record }
func (f *fellow) IsListed() bool       { return f.view.listed }
func (f *fellow) HasWay() bool         { return f.peer().hasWay() }
func (f *fellow) IsFading() bool       { return f.isFading }
func (f *fellow) IsRefused() bool      { return f.isRefused && !f.HasWay() }

func (f *fellow) IsTrusted() bool {
	return f.room.keyring == nil || f.room.cfg.AllowUnverified || !f.unproven
}

func (f *fellow) Carries(channel string) bool { return f.peer().nearPipe(channel) != nil }

func (f *fellow) Want(wanted bool) { f.peer().want(wanted) }

func (f *fellow) Spare(spare bool) { f.peer().spare(spare) }

func (f *fellow) Carry(channel string, envelope []byte, key string) bool {
	p := f.peer()
	pipe := p.nearPipe(channel)
	if pipe == nil || p.isFull() {
		return false
	}
	pipe.carry(envelope, key, p.room.start)
	if pipe.relayed {
		p.relay.pump()
	}
	return true
}

func (f *fellow) Drop() { f.peer().malformed(ErrMessageDropped) }

// attempt is what became of a message that others are to pass on.
type attempt int

const (
	given attempt = iota
	full          // what waits has to go first
	noWay
)

// attempt has the room's goroutine try something, and returns what became of it.
func (r *Room) attempt(do func() attempt) attempt {
	done := make(chan attempt, 1)
	if !r.post(func() { done <- do() }) {
		return noWay
	}
	return <-done
}

// send gives a message for one peer to whoever is nearer to it.
func (r *Room) send(to *Peer, name string, message []byte) attempt {
	switch {
	case r.mesh == nil || to.over:
		return noWay
	case r.mesh.Send((*fellow)(to), name, message):
		r.passedAt.Store(int64(r.now()))
		return given
	}
	return full
}
