// Package memory is the store that keeps rooms in this process: the default, and
// the model that every other store is held to.
//
// The registry is sharded by room name; each room has one mutex, under which
// nothing can block. A room that has nothing left to remember is dropped.
package memory

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

const (
	shards   = 64
	pageSize = 1000 // rooms in one page of Rooms
)

// Store implements store.Store.
type Store struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu    sync.Mutex
	rooms map[string]*room // guarded by mu
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	s := &Store{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].rooms = make(map[string]*room)
	}
	return s
}

func (s *Store) shardOf(name string) *shard {
	return &s.shards[maphash.String(s.seed, name)%shards]
}

// step runs f on the room, with its lock held and what is due in it expired. Wakes that
// f causes happen after it. A room that is not there is made if create is set; else f does not run.
func (s *Store) step(name string, create bool, f func(r *room)) store.Due {
	sh := s.shardOf(name)
	var r *room
	for {
		sh.mu.Lock()
		r = sh.rooms[name]
		if r == nil {
			if !create {
				sh.mu.Unlock()
				return 0
			}
			r = newRoom(name)
			sh.rooms[name] = r
		}
		sh.mu.Unlock()

		r.mu.Lock()
		if !r.dropped {
			break
		}
		r.mu.Unlock() // it was dropped between the two locks: look again
	}
	r.now = time.Now()
	r.expire()
	f(r)
	r.settle()
	due := r.nextDue()
	var few [8]func()
	wakes := r.takeWakes(few[:0])
	empty := r.empty()
	r.mu.Unlock()

	for _, wake := range wakes {
		wake()
	}
	if empty {
		s.drop(sh, name)
	}
	return due
}

// drop forgets a room that is still empty.
func (s *Store) drop(sh *shard, name string) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	r := sh.rooms[name]
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.empty() {
		r.dropped = true
		delete(sh.rooms, name)
	}
}

// on runs f on a session that ref gives access to.
func (s *Store) on(ref store.Ref, f func(r *room, m *member) error) (store.Due, error) {
	err := store.ErrNoSession
	due := s.step(ref.Room, false, func(r *room) {
		var m *member
		if m, err = r.member(ref); err == nil {
			m.used = true
			err = f(r, m)
		}
	})
	return due, err
}

// Join implements store.Store.
func (s *Store) Join(_ context.Context, name string, req store.JoinRequest) (joined store.Joined, err error) {
	due := s.step(name, true, func(r *room) {
		joined, err = r.join(req)
	})
	joined.Due = due
	return joined, err
}

// Attach implements store.Store.
func (s *Store) Attach(_ context.Context, ref store.Ref, l store.Link) (attached store.Attached, err error) {
	due, err := s.on(ref, func(r *room, m *member) (err error) {
		attached, err = r.attach(m, l)
		return err
	})
	attached.Due = due
	return attached, err
}

// Owner implements store.Store.
func (s *Store) Owner(_ context.Context, ref store.Ref) (owner store.Owner, err error) {
	_, err = s.on(ref, func(r *room, m *member) error {
		owner = r.owner(m)
		return nil
	})
	return owner, err
}

// Exchange implements store.Store.
func (s *Store) Exchange(_ context.Context, ref store.Ref, x store.Exchange) (result store.Result, err error) {
	due, err := s.on(ref, func(r *room, m *member) (err error) {
		result, err = r.exchange(m, x)
		return err
	})
	result.Due = due
	return result, err
}

// Detach implements store.Store.
func (s *Store) Detach(_ context.Context, ref store.Ref, fence int64) (store.Due, error) {
	return s.on(ref, func(r *room, m *member) error {
		if fence == m.fence && m.linked {
			m.linked = false
			r.schedule(m, r.now.Add(r.rules.Away), r.now.Add(r.rules.Left))
		}
		return nil
	})
}

// Leave implements store.Store.
func (s *Store) Leave(_ context.Context, ref store.Ref, soft bool) (peer string, due store.Due, err error) {
	due, err = s.on(ref, func(r *room, m *member) error {
		peer = m.peer.ID
		if soft {
			r.leaveSoftly(m)
		} else {
			r.end(m, store.CodeLeft)
		}
		return nil
	})
	return peer, due, err
}

// End implements store.Store.
func (s *Store) End(_ context.Context, name, session, code string) (store.Due, error) {
	err := store.ErrNoSession
	due := s.step(name, false, func(r *room) {
		if m := r.sessions[session]; m != nil && m.ended == "" {
			r.end(m, code)
			err = nil
		}
	})
	return due, err
}

// Post implements store.Store.
func (s *Store) Post(_ context.Context, name, key, to string, data []byte) (store.Due, error) {
	err := store.ErrNoPeer
	due := s.step(name, false, func(r *room) {
		err = r.post(key, to, data)
	})
	return due, err
}

// Roster implements store.Store.
func (s *Store) Roster(_ context.Context, name string) (roster store.Roster, err error) {
	roster.Due = s.step(name, false, func(r *room) {
		roster.Peers = r.roster(nil)
	})
	return roster, nil
}

// Watch implements store.Store.
func (s *Store) Watch(_ context.Context, name, session string, wake func()) (stop func(), err error) {
	err = store.ErrNoSession
	w := &watcher{wake: wake}
	s.step(name, false, func(r *room) {
		if m := r.sessions[session]; m != nil {
			m.watchers = append(m.watchers, w)
			err = nil
		}
	})
	if err != nil {
		return nil, err
	}
	return func() {
		s.step(name, false, func(r *room) {
			if m := r.sessions[session]; m != nil {
				m.watchers = slices.DeleteFunc(m.watchers, func(other *watcher) bool { return other == w })
			}
		})
	}, nil
}

// Rooms implements store.Store. The cursor is the last name of the page before.
func (s *Store) Rooms(_ context.Context, cursor string) (names []string, next string, err error) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for name := range sh.rooms {
			if name > cursor {
				names = append(names, name)
			}
		}
		sh.mu.Unlock()
	}
	slices.Sort(names)
	if len(names) > pageSize {
		names = names[:pageSize]
		next = names[pageSize-1]
	}
	return names, next, nil
}
