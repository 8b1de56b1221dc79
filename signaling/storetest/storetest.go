// Package storetest is the contract of signaling/store as tests: what passes
// them can keep the rooms of a signaling server.
//
//	for _, c := range storetest.Cases {
//		t.Run(c.Name, func(t *testing.T) { c.Run(t, newStore(t)) })
//	}
//
// The cases wait for leases to end by time.Sleep, some seconds each; run them
// in a synctest bubble where the store's clock is time.Now.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

// Case is one sentence of the contract. Run wants a store of its own, or one in
// which no room is called "room".
type Case struct {
	Name string
	Run  func(t *testing.T, s store.Store)
}

// Cases is the contract.
var Cases = slices.Concat(joinCases, frameCases, mailboxCases, presenceCases, linkCases, repeatCases, limitCases)

// Rules are those of the rooms in the cases.
var Rules = store.Rules{
	Peers:         4,
	PerAddress:    2,
	Rate:          1 << 20,
	Burst:         4 << 20,
	MailboxFrames: 16,
	MailboxBytes:  16 << 10,
	Lease:         8 * time.Second,
	Polling:       12 * time.Second,
	Away:          2 * time.Second,
	Left:          6 * time.Second,
	Unlinked:      4 * time.Second,
	Leaving:       3 * time.Second,
	Attempt:       12 * time.Second,
	Tombstone:     12 * time.Second,
}

const room = "room"

// fixture is a store with what the cases do to it.
type fixture struct {
	*testing.T
	store.Store
	made atomic.Int64
}

func with(run func(f *fixture)) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) { run(&fixture{T: t, Store: s}) }
}

// session is a joined session with what its client would know.
type session struct {
	store.Joined
	ref   store.Ref
	fence int64
}

func hash(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// request returns a join request under an attempt, for a peer id.
func (f *fixture) request(attempt, peer string) store.JoinRequest {
	n := f.made.Add(1)
	return store.JoinRequest{
		Attempt:    hash(attempt),
		Body:       hash(attempt + peer),
		Session:    fmt.Sprintf("session-%d", n),
		Salt:       fmt.Appendf(nil, "salt-%d", n),
		SecretHash: hash(fmt.Sprintf("secret-%d", n)),
		Peer:       peer,
		Spare:      fmt.Sprintf("spare-%d", n),
		Instance:   "instance-" + attempt,
		Name:       "name of " + peer,
		Rules:      Rules,
	}
}

// try joins, and returns the error.
func (f *fixture) try(req store.JoinRequest) (session, error) {
	f.Helper()
	joined, err := f.Join(context.Background(), room, req)
	return session{Joined: joined, ref: store.Ref{Room: room, Session: joined.Session, SecretHash: req.SecretHash}}, err
}

// join joins as peer; it has to succeed.
func (f *fixture) join(peer string) session {
	f.Helper()
	s, err := f.try(f.request("attempt of "+peer, peer))
	if err != nil {
		f.Fatalf("join %s: %v", peer, err)
	}
	return s
}

// linked joins as peer and opens a link.
func (f *fixture) linked(peer string) session {
	f.Helper()
	s := f.join(peer)
	s.fence = f.attach(s, -1).Fence
	return s
}

func (f *fixture) attach(s session, after int64) store.Attached {
	f.Helper()
	a, err := f.Attach(context.Background(), s.ref, store.Link{Kind: "test", After: after})
	if err != nil {
		f.Fatalf("attach %s: %v", s.Peer, err)
	}
	return a
}

// exchange does one exchange; it has to succeed.
func (f *fixture) exchange(s session, x store.Exchange) store.Result {
	f.Helper()
	result, err := f.Exchange(context.Background(), s.ref, x)
	if err != nil {
		f.Fatalf("exchange of %s: %v", s.Peer, err)
	}
	return result
}

// read returns the frames after n.
func (f *fixture) read(s session, n int64) []store.Frame {
	f.Helper()
	return f.exchange(s, store.Exchange{After: n, Max: 1 << 20, Fence: s.fence}).Frames
}

// renew renews the lease of a linked session.
func (f *fixture) renew(s session) {
	f.Helper()
	f.exchange(s, store.Exchange{Fence: s.fence, Renew: true})
}

// send sends one frame.
func (f *fixture) send(s session, frame store.Sent) store.Result {
	f.Helper()
	return f.exchange(s, store.Exchange{Frames: []store.Sent{frame}})
}

func signal(n int64, to session, data string) store.Sent {
	return store.Sent{N: n, Kind: store.Signal, To: to.Peer, Epoch: to.Epoch, Data: []byte(data)}
}

// is fails unless err is want.
func (f *fixture) is(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("got error %v, want %v", err, want)
	}
}

// ended fails unless the session is known to have ended with code.
func (f *fixture) ended(s session, code string) {
	f.Helper()
	_, err := f.Exchange(context.Background(), s.ref, store.Exchange{})
	var ended *store.EndedError
	if !errors.As(err, &ended) || ended.Code != code {
		f.Errorf("session of %s: got error %v, want it to have ended as %s", s.Peer, err, code)
	}
}

// peers returns the room's roster as "id:presence".
func (f *fixture) peers() []string {
	f.Helper()
	roster, err := f.Roster(context.Background(), room)
	if err != nil {
		f.Fatal(err)
	}
	return show(roster.Peers)
}

func show(peers []store.Peer) []string {
	list := []string{}
	for _, p := range peers {
		list = append(list, p.ID+":"+string(p.Presence))
	}
	return list
}

func (f *fixture) equal(what string, got, want any) {
	f.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		f.Errorf("%s: got %s, want %s", what, g, w)
	}
}

// tell writes frames as short texts, in order.
func tell(frames []store.Frame) []string {
	list := []string{}
	for _, f := range frames {
		var text string
		switch f.Kind {
		case store.Signal:
			text = fmt.Sprintf("%d signal %s %s", f.N, f.From, f.Data)
		case store.JoinedRoom:
			text = fmt.Sprintf("%d joined %s", f.N, f.Peer.ID)
		case store.LeftRoom:
			text = fmt.Sprintf("%d left %s %s", f.N, f.Peer.ID, f.Reason)
		case store.Changed:
			text = fmt.Sprintf("%d changed %s %s", f.N, f.Peer.ID, f.Peer.Presence)
			if f.Name != nil {
				text += "name=" + *f.Name
			}
			if f.Peer.Meta != nil {
				text += "meta=" + string(f.Peer.Meta)
			}
		case store.Refused:
			text = fmt.Sprintf("%d refused %d %s %s", f.N, f.Refusal.N, f.Refusal.To, f.Refusal.Code)
		default:
			text = fmt.Sprintf("%d kind %d", f.N, f.Kind)
		}
		list = append(list, text)
	}
	return list
}
