package memory

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/parley-rtc/parley/signaling/internal/budget"
	"github.com/parley-rtc/parley/signaling/store"
)

// maxEnded is how many ended sessions a room remembers; past it the oldest are
// forgotten early, and their clients hear no_session instead of the reason.
const maxEnded = 1024

// room is one room. Its lock is held by Store.step around everything here.
type room struct {
	name string // fixed at creation

	mu       sync.Mutex
	dropped  bool // no longer in the registry
	now      time.Time
	rules    store.Rules
	epoch    int64                // the last one given
	sessions map[string]*member   // by session id; ended ones too, while remembered
	peers    map[string]*member   // by peer id; live ones only
	ended    []*member            // by their end
	posted   map[string]time.Time // keys of Post, and until when they count
	due      time.Time            // no deadline is before it; zero: there is none
	overfull []*member            // to be ended as slow, by settle
	awake    []*member            // to be woken after the step
}

func newRoom(name string) *room {
	return &room{
		name:     name,
		sessions: make(map[string]*member),
		peers:    make(map[string]*member),
	}
}

func (r *room) empty() bool {
	return len(r.sessions) == 0 && len(r.posted) == 0
}

// member returns the live session that ref names and proves.
func (r *room) member(ref store.Ref) (*member, error) {
	m := r.sessions[ref.Session]
	switch {
	case m == nil:
		return nil, store.ErrNoSession
	case !m.proves(ref.SecretHash):
		return nil, store.ErrWrongSecret
	case m.ended != "":
		return nil, &store.EndedError{Code: m.ended}
	}
	return m, nil
}

func (r *room) join(req store.JoinRequest) (store.Joined, error) {
	if m := r.attempted(req.Attempt); m != nil {
		return r.rejoined(m, req)
	}
	earlier, used := r.earlier(req)
	if used {
		return store.Joined{}, store.ErrResumeUsed
	}
	id := req.Peer
	switch {
	case earlier != nil:
		id = earlier.peer.ID
	case id == "":
		id = req.Spare
	}
	if taken := r.peers[id]; taken != nil && taken != earlier {
		return store.Joined{}, store.ErrPeerTaken
	}
	if earlier == nil && len(r.peers) >= req.Rules.Peers {
		return store.Joined{}, store.ErrRoomFull
	}
	if earlier == nil && r.tooMany(req) {
		return store.Joined{}, store.ErrTooMany
	}

	r.rules = req.Rules
	r.epoch = max(r.epoch+1, r.now.UnixMilli())
	m := &member{
		session:    req.Session,
		secret:     req.SecretHash,
		salt:       req.Salt,
		subject:    req.Subject,
		address:    req.Address,
		deny:       req.Deny,
		attempt:    req.Attempt,
		body:       req.Body,
		repeatable: r.now.Add(r.rules.Attempt),
		renewed:    r.now,
		active:     r.now,
		peer: store.Peer{
			ID: id, Session: req.Session, Epoch: r.epoch, Instance: req.Instance,
			Name: req.Name, Meta: req.Meta, Presence: store.Here,
		},
	}
	if earlier != nil {
		m.resumed, m.resumes = true, req.Resume
		m.paid = earlier.paid // or who resumes again and again could send as much
		r.bury(earlier, store.CodeResumed)
	}
	r.sessions[m.session] = m
	r.peers[id] = m
	r.schedule(m, time.Time{}, r.now.Add(r.rules.Unlinked))
	r.expireIn(m, req.Expires)
	about := m.peer
	r.tell(m, store.Frame{Kind: store.JoinedRoom, Peer: &about})
	return r.joined(m), nil
}

// attempted finds the session that an attempt made, as long as it may be repeated. There are too few to be
// worth a map, which every session would pay for.
func (r *room) attempted(attempt [32]byte) *member {
	for _, m := range r.sessions {
		if m.attempt == attempt && r.now.Before(m.repeatable) {
			return m
		}
	}
	return nil
}

// tooMany says whether a room has as many sessions from the address of a join as it may.
func (r *room) tooMany(req store.JoinRequest) bool {
	if req.Rules.PerAddress == 0 || req.Address == "" {
		return false
	}
	count := 0
	for _, m := range r.peers {
		if m.address == req.Address {
			count++
		}
	}
	return count >= req.Rules.PerAddress
}

// rejoined answers a join that was made before under the same attempt.
func (r *room) rejoined(m *member, req store.JoinRequest) (store.Joined, error) {
	switch {
	case m.body != req.Body:
		return store.Joined{}, store.ErrAttemptReused
	case m.ended != "":
		return store.Joined{}, &store.EndedError{Code: m.ended}
	}
	return r.joined(m), nil
}

// earlier finds the live session that the join resumes. A secret that was
// resumed already still counts until the session that did so was used: the reply may have been lost.
func (r *room) earlier(req store.JoinRequest) (m *member, used bool) {
	if !req.Resuming {
		return nil, false
	}
	for _, m := range r.peers {
		if m.subject != req.Subject || req.Peer != "" && req.Peer != m.peer.ID {
			continue // somebody else's, or not what was asked for
		}
		if m.proves(req.Resume) {
			return m, false
		}
		if m.resumed && m.resumes == req.Resume {
			return m, m.used
		}
	}
	return nil, false
}

func (r *room) joined(m *member) store.Joined {
	return store.Joined{
		Session: m.session, Salt: m.salt, Peer: m.peer.ID, Epoch: m.peer.Epoch,
		Resumed: m.resumed, At: m.mail.tail, Peers: r.roster(m),
	}
}

func (r *room) attach(m *member, l store.Link) (store.Attached, error) {
	after := max(l.After, m.mail.acked)
	number := l.Use + l.Goes // one of them, or neither
	again := l.Use != 0 && l.Use == m.fence
	switch {
	case number != 0 && (number < m.fence || number > m.links), l.Goes != 0 && (l.Goes != m.fence || !m.polls):
		return store.Attached{}, store.ErrSuperseded
	case !again && after > m.mail.tail:
		return store.Attached{}, store.ErrHistoryLost
	}
	if number == 0 {
		m.links++
		number = m.links
	}
	a := store.Attached{
		Owner: r.owner(m), Fence: number, Received: m.received, After: after, Tail: m.mail.tail, Peers: r.roster(m),
		Quiet: r.now.Sub(m.renewed),
	}
	if l.Probe || again {
		return a, nil
	}
	if l.Goes == 0 {
		a.Took, a.Before, m.kind = true, m.kind, l.Kind
	}
	m.mail.ack(after)
	m.fence, m.polls, m.linked = number, l.Polls, true
	m.turn++
	if l.Polls {
		a.Turn = m.turn
	}
	r.renew(m)
	r.wake(m) // the link or the poll before it, and the one that was a probe
	return a, nil
}

// owner tells whose session it is.
func (r *room) owner(m *member) store.Owner {
	o := store.Owner{
		Peer: m.peer.ID, Subject: m.subject,
		Age: max(r.now.Sub(time.UnixMilli(m.peer.Epoch)), 0), // the epoch is when it joined, if not a little later
	}
	if !m.expires.IsZero() {
		o.Expires = max(m.expires.Sub(r.now), 1)
	}
	return o
}

func (r *room) exchange(m *member, x store.Exchange) (store.Result, error) {
	superseded := x.Fence != 0 && x.Fence < m.fence || x.Turn != 0 && x.Turn < m.turn
	probing := x.Fence > m.fence
	if !superseded && !probing && x.After > m.mail.tail {
		return store.Result{}, store.ErrHistoryLost
	}
	m.mail.ack(x.Ack)
	var result store.Result
	for _, sent := range x.Frames {
		if sent.N <= m.received {
			continue
		}
		if sent.N != m.received+1 {
			result.Gap = true
			break
		}
		if result.Wait = r.charge(m, sent); result.Wait > 0 {
			break
		}
		m.received = sent.N
		m.active = r.now
		refused := r.take(m, sent)
		for _, refusal := range refused {
			r.append(m, store.Frame{Kind: store.Refused, Refusal: &refusal})
		}
		result.Refused = append(result.Refused, refused...)
		if m.ended != "" {
			return store.Result{}, &store.EndedError{Code: m.ended}
		}
	}
	result.Received, result.Acked, result.Tail = m.received, m.mail.acked, m.mail.tail
	result.Superseded, result.Probing = superseded, probing
	result.Idle = r.now.Sub(m.active)
	if superseded || probing {
		return result, nil
	}
	if x.Renew && m.linked {
		r.renew(m)
	}
	result.Quiet = r.now.Sub(m.renewed)
	if x.Max > 0 {
		result.Frames = m.mail.read(max(x.After, m.mail.acked), x.Max)
	}
	return result, nil
}

// charge has a session pay for a frame, or says how long until it can.
func (r *room) charge(m *member, sent store.Sent) (wait time.Duration) {
	rate := budget.Rate{PerSecond: r.rules.Rate, Burst: r.rules.Burst}
	m.paid, wait = rate.Take(m.paid, r.now, sent.Cost(len(r.peers)-1))
	return wait
}

// take does what one frame of a session asks for; it returns what of it is refused.
func (r *room) take(m *member, sent store.Sent) (refused []store.Refusal) {
	signal := store.Frame{Kind: store.Signal, From: m.peer.ID, Epoch: m.peer.Epoch, Data: sent.Data}
	refuse := func(to, code string) {
		if code != "" {
			refused = append(refused, store.Refusal{N: sent.N, To: to, Code: code})
		}
	}
	switch {
	case sent.Kind == store.Signal && m.deny.Signal,
		sent.Kind == store.Broadcast && m.deny.Broadcast,
		sent.Kind == store.Change && sent.Name != nil && m.deny.Rename:
		refuse(sent.To, store.CodeForbidden)
		return refused
	}
	switch sent.Kind {
	case store.Signal:
		to := r.peers[sent.To]
		switch {
		case to == nil:
			refuse(sent.To, store.CodeNoPeer)
		case sent.Epoch != 0 && sent.Epoch != to.peer.Epoch:
			refuse(sent.To, store.CodeStaleEpoch)
		default:
			refuse(sent.To, r.deliver(to, signal))
		}
	case store.Broadcast:
		signal.Broadcast = true
		for _, to := range r.peers {
			if to != m {
				refuse(to.peer.ID, r.deliver(to, signal))
			}
		}
	case store.Change:
		refuse("", r.change(m, sent))
	case store.Refresh:
		if sent.Subject != m.subject {
			refuse("", store.CodeForbidden)
			break
		}
		r.expireIn(m, sent.Expires)
	case store.Leave:
		r.end(m, store.CodeLeft)
	case store.Invalid:
		sent.Refusal.N = sent.N
		refused = append(refused, sent.Refusal)
	}
	return refused
}

// change takes a new name or meta, and tells it; it returns the code of a refusal. It is not taken
// while somebody could not be told, or a peer could fill the mailboxes of the others with it.
func (r *room) change(m *member, sent store.Sent) string {
	about := store.Peer{ID: m.peer.ID, Epoch: m.peer.Epoch, Meta: sent.Meta}
	f := store.Frame{Kind: store.Changed, From: m.peer.ID, Peer: &about, Name: sent.Name}
	if !r.fitsOthers(m, f) {
		return store.CodeBusy
	}
	if sent.Name != nil {
		m.peer.Name = *sent.Name
	}
	if sent.Meta != nil {
		m.peer.Meta = sent.Meta
		if string(sent.Meta) == "null" {
			m.peer.Meta = nil
		}
	}
	r.tell(m, f)
	return ""
}

// fitsOthers says whether everybody but m has a place for a frame of m's.
func (r *room) fitsOthers(m *member, f store.Frame) bool {
	for _, to := range r.peers {
		if to != m && !to.mail.fits(f, r.rules) {
			return false
		}
	}
	return true
}

func (r *room) post(key, to string, data []byte) error {
	if r.now.Before(r.posted[key]) {
		return nil
	}
	f := store.Frame{Kind: store.Signal, Data: data, Broadcast: to == ""}
	if len(r.peers) == 0 {
		return store.ErrNoPeer
	}
	if to == "" {
		for _, m := range r.peers {
			r.deliver(m, f)
		}
	} else {
		m := r.peers[to]
		if m == nil {
			return store.ErrNoPeer
		}
		if r.deliver(m, f) != "" {
			return store.ErrBusy
		}
	}
	if r.posted == nil {
		r.posted = make(map[string]time.Time)
	}
	r.posted[key] = r.now.Add(r.rules.Tombstone)
	r.sooner(r.posted[key])
	return nil
}

// deliver puts a peer's or the server's frame into a mailbox; it returns the code of a refusal.
func (r *room) deliver(to *member, f store.Frame) string {
	if !to.mail.fits(f, r.rules) {
		return store.CodeBusy
	}
	to.mail.append(f)
	to.active = r.now
	r.wake(to)
	return ""
}

// tell puts a frame about m into every other mailbox.
func (r *room) tell(m *member, f store.Frame) {
	for _, to := range r.peers {
		if to != m {
			r.append(to, f)
		}
	}
}

// append puts a frame of the server's making into a mailbox. A session that has no
// place for it would no longer know how things are: it is ended as slow.
func (r *room) append(to *member, f store.Frame) {
	if !to.mail.hasRoom(f, r.rules) {
		r.overfull = append(r.overfull, to)
		return
	}
	to.mail.append(f)
	r.wake(to)
}

// roster returns everybody but m, by epoch.
func (r *room) roster(m *member) []store.Peer {
	peers := make([]store.Peer, 0, len(r.peers))
	for _, other := range r.peers {
		if other != m {
			peers = append(peers, other.peer)
		}
	}
	slices.SortFunc(peers, func(a, b store.Peer) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return peers
}
