package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/parley-rtc/parley/signaling/store"
)

const (
	lingerTime = 10 * time.Second // a partition that nobody watches is listened to so long, for the next poll
	againTime  = 250 * time.Millisecond
)

// partition is a part of the rooms, which share a hash slot and a channel.
type partition struct {
	tag   string // begins its keys
	pulse *pulse

	offset atomic.Int64 // of the server's clock from this process's, in nanoseconds; 0: not known
	graced atomic.Int64 // when a step said last that the node was cut off, by the process's clock

	mu       sync.Mutex
	watchers map[string][]*watcher // by session; guarded by mu
	listener *listener             // guarded by mu; nil: nobody watches
	before   chan struct{}         // guarded by mu; closed when the last listener has ended
}

type watcher struct{ wake func() }

// listener is a subscription to a partition's channel.
type listener struct {
	cancel context.CancelFunc
	ready  chan struct{} // closed when it is subscribed, for the first time
	gone   chan struct{} // closed when it has ended
	idle   *time.Timer   // ends it, unless somebody watches; guarded by the partition's mu
}

// Watch implements [store.Store].
func (s *Store) Watch(ctx context.Context, room, session string, wake func()) (stop func(), err error) {
	p := s.partitionOf(room)
	if !p.pulse.answers() {
		return nil, s.counts.failed(errSilent)
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	w := &watcher{wake: wake}
	l := s.add(p, session, w)
	stop = func() { p.remove(session, w) }
	select {
	case <-l.ready:
	case <-ctx.Done():
		stop()
		return nil, fmt.Errorf("redisstore: cannot listen to room %s: %w", room, s.counts.failed(ctx.Err()))
	}
	known, err := s.client.Do(ctx, s.client.B().Hexists().Key(p.state(room)).Field("h"+session).Build()).AsBool()
	switch {
	case err != nil:
		stop()
		return nil, fmt.Errorf("redisstore: watch room %s: %w", room, s.counts.failed(err))
	case !known:
		stop()
		return nil, store.ErrNoSession
	}
	return stop, nil
}

// add enters a watcher, and returns the partition's listener.
func (s *Store) add(p *partition, session string, w *watcher) *listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers[session] = append(p.watchers[session], w)
	if l := p.listener; l != nil {
		l.idle.Stop()
		return l
	}
	ctx, cancel := context.WithCancel(s.ctx)
	l := &listener{cancel: cancel, ready: make(chan struct{}), gone: make(chan struct{})}
	l.idle = time.AfterFunc(time.Hour, func() { p.retire(l) })
	l.idle.Stop()
	p.listener = l
	before := p.before
	p.before = l.gone
	s.work.Go(func() {
		defer close(l.gone)
		if before != nil {
			<-before
		}
		s.listen(ctx, p, l)
	})
	return l
}

func (p *partition) remove(session string, w *watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(p.watchers[session]), func(other *watcher) bool { return other == w })
	if len(rest) > 0 {
		p.watchers[session] = rest
		return
	}
	delete(p.watchers, session)
	if len(p.watchers) == 0 && p.listener != nil {
		p.listener.idle.Reset(lingerTime)
	}
}

// retire ends a listener that nobody needs any more.
func (p *partition) retire(l *listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.watchers) == 0 && p.listener == l {
		p.listener = nil
		l.cancel()
	}
}

// listen stays subscribed until ctx ends.
func (s *Store) listen(ctx context.Context, p *partition, l *listener) {
	var first sync.Once
	confirmed := func(sub rueidis.PubSubSubscription) {
		if sub.Kind != "ssubscribe" {
			return
		}
		again := true
		first.Do(func() {
			again = false // whoever watches waits for this, and reads then
			close(l.ready)
		})
		if again {
			p.wakeAll() // whatever was published meanwhile
		}
	}
	for ctx.Err() == nil {
		command := s.ears.B().Ssubscribe().Channel(p.channel()).Build()
		// It returns when the connection broke, and when the slot went to another server.
		_ = s.ears.Receive(rueidis.WithOnSubscriptionHook(ctx, confirmed), command, func(m rueidis.PubSubMessage) { p.wake(m.Message) })
		select {
		case <-ctx.Done():
		case <-time.After(againTime):
		}
	}
	if s.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(s.ctx, stepTime)
		defer cancel()
		_ = s.ears.Do(ctx, s.ears.B().Sunsubscribe().Channel(p.channel()).Build()).Error() // else messages come for nothing
	}
}

// wake calls the watchers of sessions, whose ids are in a message.
func (p *partition) wake(sessions string) {
	var few [8]*watcher
	list := few[:0]
	p.mu.Lock()
	for session := range strings.SplitSeq(sessions, " ") {
		list = append(list, p.watchers[session]...)
	}
	p.mu.Unlock()
	for _, w := range list {
		w.wake()
	}
}

func (p *partition) wakeAll() {
	p.mu.Lock()
	var all []*watcher
	for _, list := range p.watchers {
		all = append(all, list...)
	}
	p.mu.Unlock()
	for _, w := range all {
		w.wake()
	}
}
