package relays

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Config says which servers there are and how they are watched. Servers have to be there; the rest has defaults.
type Config struct {
	Servers []Server // of Parse

	// Credentials returns those that a check is made with, good for so long; nil: there is no TURN server.
	Credentials func(ttl time.Duration) (username, password string, err error)
	// TTL is how long they are to be good for: as long as those of clients, so that clocks that differ too much for these show.
	TTL time.Duration

	Every   time.Duration // between checks of a server that is up; default 30 s
	Soon    time.Duration // between checks of one that failed; default 5 s
	Timeout time.Duration // of a check; default 5 s

	Logger *slog.Logger // nil: slog.Default
}

// Failures is how many checks in a row fail before a server counts as down. One that succeeds is enough for it to be up again:
// a server that is handed out in vain costs less than one that is left out for nothing.
const Failures = 3

// Set is the servers of a deployment, and which of them are up. Its methods may be called concurrently.
type Set struct {
	cfg    Config
	relays *pool
	stun   *pool // servers that do nothing else
}

// New returns a set in which all servers count as up.
func New(cfg Config) (*Set, error) {
	cfg.Every = cmp.Or(cfg.Every, 30*time.Second)
	cfg.Soon = cmp.Or(cfg.Soon, 5*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	var kinds [2][]Server
	for _, s := range cfg.Servers {
		kind := 0
		if s.TURN {
			kind = 1
		}
		kinds[kind] = append(kinds[kind], s)
	}
	switch {
	case len(cfg.Servers) == 0:
		return nil, errors.New("relays: there are no servers")
	case len(kinds[1]) > 0 && cfg.Credentials == nil:
		return nil, errors.New("relays: TURN servers need Credentials")
	}
	return &Set{cfg: cfg, stun: newPool(kinds[0]), relays: newPool(kinds[1])}, nil
}

// URLs returns those that the peers of a room are given, a slice for each server: of the room's first relay, of its second one as backup, and of
// as many servers that do only STUN. All peers get the same, from every node that sees the same servers up.
func (s *Set) URLs(room string) [][]string {
	return s.stun.urls(s.relays.urls(nil, room), room)
}

// Watch checks the servers until stop is called, which breaks off the checks that are under way and waits for them. Changed is called when rooms have other
// servers than before; of says whether a room has. It must not block.
func (s *Set) Watch(changed func(of func(room string) bool)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var checks sync.WaitGroup
	for _, p := range []*pool{s.relays, s.stun} {
		for _, m := range p.members {
			checks.Go(func() { s.watch(ctx, p, m, changed) })
		}
	}
	return func() {
		cancel()
		checks.Wait()
	}
}

// watch checks one server again and again.
func (s *Set) watch(ctx context.Context, p *pool, m *member, changed func(of func(room string) bool)) {
	for {
		ok := s.check(ctx, m)
		if ctx.Err() != nil {
			return
		}
		if up, turned := m.judge(ok); turned {
			before, after := s.change(p, m, up)
			changed(func(room string) bool { return before.of(room) != after.of(room) })
		}
		every := s.cfg.Every
		if !ok {
			every = s.cfg.Soon
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every*4/5 + rand.N(every*2/5+1)): // nodes that started together do not check together
		}
	}
}

// change has a server handed out again, or no more. It returns what rooms had before and have from now on.
func (s *Set) change(p *pool, m *member, up bool) (before, after *order) {
	before, after, left := p.set(m, up)
	log := s.cfg.Logger.With("relay", m.Name)
	switch {
	case up:
		log.Info("relay is up again")
	case left == 0:
		log.Error("relay is down, as all of them are; they are handed out as if they were up", "causes", m.causes())
	default:
		log.Warn("relay is down; clients are given others", "causes", m.causes(), "others", left)
	}
	return before, after
}
