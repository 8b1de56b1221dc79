package tokens

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// clock is the time that keys are kept by.
type clock struct {
	now   func() time.Time
	after func(time.Duration) <-chan time.Time
}

// keySet keeps the keys of a JWKS URL fresh. One goroutine fetches, whoever asks for it.
type keySet struct {
	fetch func(context.Context) ([]key, []error, error) // fixed; the keys, why others were passed over
	clock clock                                         // fixed
	log   *slog.Logger                                  // fixed

	cancel context.CancelFunc // ends run
	ended  sync.WaitGroup     // run
	wake   chan struct{}      // capacity 1; tells run that a flight was begun

	mu      sync.Mutex
	keys    []key         // guarded by mu; replaced as a whole, never changed
	arrived time.Time     // guarded by mu; when keys did; zero: never
	started time.Time     // guarded by mu; when the last fetch did; zero: never
	failed  int           // guarded by mu; fetches failed since the last that did not
	flight  chan struct{} // guarded by mu; closed when the fetch under way ends; nil: there is none
	closed  bool          // guarded by mu
}

// newKeySet starts to fetch, and returns before the keys are there.
func newKeySet(fetch func(context.Context) ([]key, []error, error), c clock, log *slog.Logger) *keySet {
	s := &keySet{fetch: fetch, clock: c, log: log, wake: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.begin(0)
	s.ended.Go(func() { s.run(ctx) })
	return s
}

// close ends the fetching and waits for that. Keys there already go on being found.
func (s *keySet) close() {
	s.cancel()
	s.ended.Wait()
}

// find returns the key for an algorithm and an id, fetching if there is none. The error is
// ErrUnknownKey if the set does not have it, and ErrUnavailable if that is not known.
func (s *keySet) find(ctx context.Context, algorithm, id string) (*key, error) {
	found, known := s.look(algorithm, id)
	if found != nil {
		return found, nil
	}
	if flight := s.begin(FetchEvery); flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
		found, known = s.look(algorithm, id)
	}
	switch {
	case found != nil:
		return found, nil
	case known:
		return nil, ErrUnknownKey
	}
	return nil, ErrUnavailable
}

// look returns the key among those there are, and whether its absence would mean something: the
// last fetch worked.
func (s *keySet) look(algorithm, id string) (found *key, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.arrived.IsZero() || s.clock.now().Sub(s.arrived) > KeepKeys {
		return nil, false
	}
	return fitting(s.keys, algorithm, id), s.failed == 0
}

// begin asks for a fetch, unless one is under way, and returns what closes at its end. It
// returns nil if the last one was begun less than this gap ago.
func (s *keySet) begin(gap time.Duration) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now()
	switch {
	case s.flight != nil:
		return s.flight
	case s.closed, !s.started.IsZero() && now.Sub(s.started) < gap:
		return nil
	}
	s.flight, s.started = make(chan struct{}), now
	s.wake <- struct{}{} // never blocks: run took the last one before its flight ended
	return s.flight
}

// run fetches when woken, and every so often.
func (s *keySet) run(ctx context.Context) {
	var next <-chan time.Time
	for {
		select {
		case <-s.wake:
			keys, passedOver, err := s.fetch(ctx)
			if err != nil && ctx.Err() != nil {
				continue // to the end; nothing has failed
			}
			next = s.clock.after(s.land(keys, passedOver, err))
		case <-next:
			s.begin(0)
		case <-ctx.Done():
			s.mu.Lock()
			defer s.mu.Unlock()
			s.closed = true
			if s.flight != nil {
				close(s.flight)
				s.flight = nil
			}
			return
		}
	}
}

// land takes what a fetch brought, and returns how long to wait until the next.
func (s *keySet) land(keys []key, passedOver []error, err error) time.Duration {
	s.mu.Lock()
	changed := s.arrived.IsZero() || !slices.EqualFunc(s.keys, keys, func(a, b key) bool {
		return a.id == b.id && a.algorithm == b.algorithm
	})
	if err == nil {
		s.keys, s.arrived, s.failed = keys, s.clock.now(), 0
	} else {
		s.failed++
	}
	failed, arrived := s.failed, s.arrived
	close(s.flight)
	s.flight = nil
	s.mu.Unlock()

	switch {
	case err != nil:
		log := s.log.With("error", err, "failures", failed)
		if arrived.IsZero() {
			log.Warn("token keys not fetched; there are none yet")
		} else {
			log.Warn("token keys not fetched", "keys_of", arrived)
		}
		return min(firstRetry<<min(failed-1, 10), lastRetry)
	case changed:
		s.log.Info("token keys changed", "keys", len(keys), "passed_over", len(passedOver))
		for _, reason := range passedOver {
			s.log.Debug("token key passed over", "reason", reason)
		}
	}
	return RefreshEvery
}
