package redisstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
	"github.com/parley-rtc/parley/signaling/storetest"
)

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// guest is a session with what its client would know.
type guest struct {
	*Store
	t testing.TB
	store.Joined
	ref   store.Ref
	fence int64
}

var guests atomic.Int64

// rules are those of the contract's cases, with leases that outlast a test unless it says otherwise.
func rules() store.Rules {
	r := storetest.Rules
	r.Lease, r.Left, r.Unlinked, r.Tombstone = time.Minute, 45*time.Second, time.Minute, time.Minute
	return r
}

func request(peer string, rules store.Rules) store.JoinRequest {
	n := fmt.Sprint(guests.Add(1))
	return store.JoinRequest{
		Attempt: sha256.Sum256([]byte("attempt" + n)), Body: sha256.Sum256([]byte("body" + n)), Session: "session" + n, Salt: []byte("salt" + n),
		SecretHash: sha256.Sum256([]byte("secret" + n)), Peer: peer, Spare: "spare" + n, Instance: "instance" + n, Rules: rules,
	}
}

// enter joins a room and opens a link.
func (s *Store) enter(t testing.TB, room, peer string, rules store.Rules) *guest {
	t.Helper()
	req := request(peer, rules)
	joined, err := s.Join(context.Background(), room, req)
	if err != nil {
		t.Fatalf("join %s: %v", peer, err)
	}
	g := &guest{Store: s, t: t, Joined: joined, ref: store.Ref{Room: room, Session: joined.Session, SecretHash: req.SecretHash}}
	attached, err := s.Attach(context.Background(), g.ref, store.Link{Kind: "test", After: -1})
	if err != nil {
		t.Fatalf("attach %s: %v", peer, err)
	}
	g.fence = attached.Fence
	return g
}

// at is the same guest, as another node serves it.
func (g *guest) at(s *Store) *guest {
	other := *g
	other.Store = s
	return &other
}

func (g *guest) send(n int64, to, data string) (store.Result, error) {
	return g.Exchange(context.Background(), g.ref, store.Exchange{Frames: []store.Sent{{N: n, Kind: store.Signal, To: to, Data: []byte(data)}}})
}

func (g *guest) renew() error {
	_, err := g.Exchange(context.Background(), g.ref, store.Exchange{Fence: g.fence, Renew: true})
	return err
}

// texts returns the data of the signals after n.
func (g *guest) texts(n int64) []string {
	g.t.Helper()
	result, err := g.Exchange(context.Background(), g.ref, store.Exchange{After: n, Max: 1 << 20, Fence: g.fence})
	if err != nil {
		g.t.Fatal(err)
	}
	var list []string
	for _, f := range result.Frames {
		if f.Kind == store.Signal {
			list = append(list, string(f.Data))
		}
	}
	return list
}

// watched counts the wakes of a guest.
func (g *guest) watched() *atomic.Int64 {
	g.t.Helper()
	var wakes atomic.Int64
	stop, err := g.Watch(context.Background(), g.ref.Room, g.ref.Session, func() { wakes.Add(1) })
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(stop)
	return &wakes
}

func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// settled returns the error of a step when Redis has come to an answer, whatever it is.
func settled(t testing.TB, step func() error) error {
	t.Helper()
	var err error
	await(t, "an answer", func() bool {
		err = step()
		var ended *store.EndedError
		return err == nil || errors.Is(err, store.ErrNoSession) || errors.As(err, &ended)
	})
	return err
}

// rejoins fails unless err ends a session as rejoin.
func rejoins(t testing.TB, err error) {
	t.Helper()
	var ended *store.EndedError
	if !errors.As(err, &ended) || ended.Code != "rejoin" {
		t.Errorf("got error %v, want an end as rejoin", err)
	}
}

func presences(t testing.TB, s *Store, room string) string {
	t.Helper()
	roster, err := s.Roster(context.Background(), room)
	if err != nil {
		t.Fatal(err)
	}
	list := ""
	for _, p := range roster.Peers {
		list += p.ID + ":" + string(p.Presence) + " "
	}
	return list
}
