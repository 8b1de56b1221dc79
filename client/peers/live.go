package peers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/client/peers/internal/mesh"
)

// live is what brings signaling and peers together.
type live struct {
	epoch        int64
	id           string
	link         client.Link
	ended        bool             // the session is over
	parked       map[string]*Peer // dead to all appearance while signaling is down, so nobody can say whether they are still in the room
	count        int64            // connections begun
	serial       int64            // of the last note that was signed
	certificates []webrtc.Certificate
	bulletin     bulletin
	saidNoRelay  bool
	saidBadURL   bool
	mesh         *mesh.Mesh // nil: this side takes no part in one
	flooding
}

func newCertificate() (*webrtc.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return webrtc.GenerateCertificate(key)
}

// run is the room's goroutine: it never waits for anything but what comes.
func (r *Room) run(ctx context.Context) {
	defer close(r.events)
	defer close(r.over)
	defer r.removeAll("", ErrClosed)
	r.parked = map[string]*Peer{}
	r.mesh = r.newMesh()
	defer r.closeMesh()
	r.enter()
	signals := r.session.Events()
	for {
		var events chan<- Event
		var next Event
		if len(r.bulletin.events) > 0 {
			events, next = r.events, r.bulletin.events[0]
		}
		select {
		case e, open := <-signals:
			if !open {
				signals = nil
				r.finish(r.session.Err())
				continue
			}
			r.hear(e)
		case do := <-r.inbox:
			do()
		case events <- next:
			r.bulletin.events[0] = nil
			r.bulletin.events = r.bulletin.events[1:]
		case <-ctx.Done():
			r.finish(ErrClosed)
			return
		}
	}
}

// post has the room's goroutine call do, unless it has ended.
func (r *Room) post(do func()) bool {
	select {
	case r.inbox <- do:
		return true
	case <-r.over:
		return false
	}
}

// after has the room's goroutine call something later; only it may call after and cancel.
func (r *Room) after(delay time.Duration, call func()) (cancel func()) {
	cancelled := false
	timer := time.AfterFunc(delay/r.cfg.haste, func() {
		r.post(func() {
			if !cancelled {
				call()
			}
		})
	})
	return func() {
		cancelled = true
		timer.Stop()
	}
}

func (r *Room) tell(e Event) { r.bulletin.add(e) }

func (r *Room) fault(p *Peer, err error) {
	r.cfg.log.Debug("fault", "peer", p, "error", err)
	r.tell(Fault{p, err})
}

func (r *Room) self() party { return party{r.id, r.cfg.Client.Instance} }

// enter takes over the session's roster, after a join.
func (r *Room) enter() {
	id := r.session.ID()
	if r.id != "" && id != r.id { // this side is somebody new to the others
		r.removeAll(Replaced, ErrLost)
	}
	r.id, r.epoch = id, r.session.Epoch()
	listed := map[string]bool{}
	roster := r.session.Peers()
	for _, entry := range roster {
		listed[entry.ID] = true
	}
	for _, p := range r.Peers() {
		if !listed[p.id] {
			r.unlist(p, Lost)
		}
	}
	for _, p := range r.parked {
		if !listed[p.id] {
			r.remove(p, Lost)
		}
	}
	for _, entry := range roster {
		r.meet(entry)
	}
	r.spread()
	r.checkRelay()
}

// hear takes what the session tells.
func (r *Room) hear(e client.Event) {
	switch e := e.(type) {
	case client.Joined:
		r.meet(e.Peer)
		r.spread()
	case client.Changed:
		if p := r.find(e.Peer.ID); p != nil && p.view.entry.Epoch == e.Peer.Epoch {
			p.adopt(e.Peer)
		}
	case client.Left:
		r.left(e.Peer, e.Reason)
	case client.Signal:
		if p := r.find(e.From); p != nil && p.view.entry.Epoch == e.Epoch && !p.over {
			p.receive(e.Data)
		}
	case client.Refused:
		if p := r.find(e.To); p != nil {
			r.refused(p, e.Err)
		} else {
			r.fault(nil, e.Err)
		}
	case client.LinkChanged:
		r.link = e.Link
		r.tell(LinkChanged(e))
		if e.Link != client.Auto {
			for _, p := range r.Peers() {
				p.signalingIsBack()
			}
		}
		r.relinked()
	case client.ICEChanged:
		r.checkRelay()
		for _, p := range r.Peers() {
			if p.connection != nil {
				p.connection.configure(r.configuration())
			}
		}
	case client.Rejoined:
		r.enter()
	case client.Ended:
		r.finish(e.Err)
	}
}

// final are the ends after which somebody else is this peer, or nobody may be: the connections end, too.
var final = map[string]Reason{"kicked": Kicked, "resumed": Lost, "superseded": Lost}

// finish takes note that the session is over.
func (r *Room) finish(err error) {
	if r.ended {
		return
	}
	r.ended, r.link = true, client.Auto
	r.relinked()
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
	var refused *client.Error
	if errors.As(err, &refused) {
		if reason, is := final[refused.Code]; is {
			r.removeAll(reason, ErrLost)
		}
	}
	if !errors.Is(err, ErrClosed) && !errors.Is(err, client.ErrClosed) {
		for _, p := range r.Peers() {
			if p.isRelayed() {
				r.remove(p, Unreachable)
			}
		}
	}
	r.tell(Ended{err})
}

func (r *Room) isLinked() bool { return r.link != client.Auto }

// relinked shows how those are doing whose messages go through the server.
func (r *Room) relinked() {
	for _, p := range r.Peers() {
		if p.isRelayed() {
			p.show()
			r.changed(p)
		}
	}
}

// start starts a goroutine that ends before the room's stay does.
func (r *Room) start(work func()) { r.work.Go(work) }

// refused takes note that a note to a peer was refused.
func (r *Room) refused(p *Peer, err error) {
	if !p.over {
		p.refused(retryAfter(err))
	}
	var refused *client.Error
	if errors.As(err, &refused) {
		switch refused.Code {
		case "no_peer", "stale_epoch", "busy": // the roster tells the same, or another try follows
			return
		}
	}
	r.fault(p, err)
}

func (r *Room) find(id string) *Peer {
	if p := r.peers[id]; p != nil {
		return p
	}
	return r.parked[id]
}

func (r *Room) meet(entry client.Peer) {
	known := r.find(entry.ID)
	switch {
	case entry.ID == r.id || r.ended:
		return
	case known != nil && entry.Epoch < known.view.entry.Epoch: // the roster was ahead of the events
		return
	case known != nil && known.instance == entry.Instance:
		if r.parked[known.id] == known {
			r.unpark(known)
		}
		known.adopt(entry)
		return
	case known != nil:
		r.remove(known, Replaced)
	}
	p := newPeer(r, entry)
	r.put(p)
	r.tell(Joined{p})
}

func (r *Room) put(p *Peer) {
	r.mu.Lock()
	r.peers[p.id] = p
	r.mu.Unlock()
	if r.mesh != nil {
		r.mesh.Add((*fellow)(p))
	}
}

func (r *Room) take(p *Peer) bool {
	if r.peers[p.id] != p {
		return false
	}
	r.mu.Lock()
	delete(r.peers, p.id)
	r.mu.Unlock()
	if r.mesh != nil {
		r.mesh.Remove((*fellow)(p))
	}
	return true
}

func (r *Room) left(entry client.Peer, reason string) {
	p := r.find(entry.ID)
	if p == nil || p.view.entry.Epoch != entry.Epoch {
		return
	}
	switch why := Reason(reason); why {
	case ByLeaving, Kicked:
		r.remove(p, why)
	case Slow:
		r.unlist(p, Slow)
	default:
		r.unlist(p, Lost)
	}
}

// unlist takes note that the server does not list the peer any more; a connection that lives is kept, and so is its peer.
func (r *Room) unlist(p *Peer, reason Reason) {
	if !p.view.listed {
		return
	}
	p.update(func(v *view) { v.listed = false })
	switch {
	case p.health == connected || p.health == disconnected:
		r.changed(p)
	case p.view.path.Kind == Mesh:
		r.changed(p)
		if r.mesh != nil {
			r.mesh.Question((*fellow)(p))
		}
	default:
		r.remove(p, reason)
	}
}

// changed takes note that a peer is otherwise than it was.
func (r *Room) changed(p *Peer) {
	r.look(p)
	dead := p.view.state != Connected && (p.health == failed || p.health == gone || p.health == none && !p.view.listed)
	switch {
	case r.parked[p.id] == p:
		if p.health == connected {
			r.unpark(p)
		}
	case r.peers[p.id] != p: // it is being closed
	case dead && !p.view.listed:
		r.remove(p, Unreachable)
	case dead && !r.isLinked() && !p.isRelayed():
		r.take(p)
		r.parked[p.id] = p
		r.tell(Left{p, Unreachable})
	default:
		r.tell(Changed{p})
	}
}

func (r *Room) unpark(p *Peer) {
	delete(r.parked, p.id)
	r.put(p)
	r.tell(Joined{p})
	r.spread()
}

func (r *Room) remove(p *Peer, reason Reason) {
	why := ErrLost
	if reason == ByLeaving {
		why = errLeft
	}
	p.close(why)
	delete(r.parked, p.id)
	if r.take(p) {
		r.tell(Left{p, reason})
		r.spread()
	}
}

func (r *Room) removeAll(reason Reason, why error) {
	for _, p := range append(r.Peers(), valuesOf(r.parked)...) {
		p.close(why)
		r.remove(p, reason)
	}
}

func valuesOf(peers map[string]*Peer) []*Peer {
	all := make([]*Peer, 0, len(peers))
	for _, p := range peers {
		all = append(all, p)
	}
	return all
}

// configuration is what connections are made with.
func (r *Room) configuration() webrtc.Configuration {
	c := webrtc.Configuration{Certificates: r.certificates}
	if r.cfg.RelayOnly {
		c.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	for _, s := range r.session.ICE().Servers {
		var urls []string
		for _, text := range s.URLs {
			url, err := stun.ParseURI(text)
			relay := err == nil && (url.Scheme == stun.SchemeTypeTURN || url.Scheme == stun.SchemeTypeTURNS)
			switch {
			case err == nil && (!relay || s.Username != "" && s.Credential != ""):
				urls = append(urls, text)
			case !r.saidBadURL:
				r.saidBadURL = true
				r.fault(nil, errors.New("peers: the server names a STUN or TURN server that cannot be used: "+text))
			}
		}
		if len(urls) > 0 {
			c.ICEServers = append(c.ICEServers, webrtc.ICEServer{URLs: urls, Username: s.Username, Credential: s.Credential})
		}
	}
	return c
}

// checkRelay says once that no path can be found, since only relayed ones are allowed and there is no relay.
func (r *Room) checkRelay() {
	if !r.cfg.RelayOnly || r.saidNoRelay {
		return
	}
	for _, s := range r.session.ICE().Servers {
		for _, url := range s.URLs {
			if strings.HasPrefix(strings.ToLower(url), "turn") {
				return
			}
		}
	}
	r.saidNoRelay = true
	r.fault(nil, ErrNoRelay)
}
