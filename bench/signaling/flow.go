//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/bench/internal/gauge"
	"github.com/parley-rtc/parley/bench/signaling/internal/contender"
	"github.com/parley-rtc/parley/bench/signaling/internal/dialect"
	"github.com/parley-rtc/parley/bench/signaling/internal/sample"
)

const (
	lateness = 2 * time.Millisecond // of a message that still counts as sent in time
	never    = time.Minute          // as long as what is refused counts as under way
)

// source sends the messages of the client of the same number: to another, or to all.
type source struct {
	paces int // the client whose receipt of a message has the next one sent, in a closed loop
	send  func(data []byte) error

	mu   sync.Mutex
	data []byte // guarded by mu, as are calls of send
}

// flow is messages on their way between clients.
type flow struct {
	clients []dialect.Client
	sources []*source
	closed  bool // the loop; otherwise a pacer sends

	recording atomic.Bool
	over      atomic.Bool
	readers   sync.WaitGroup

	mu        sync.Mutex
	latencies []int32 // microseconds; guarded by mu
	refusals  int     // among the latencies; guarded by mu
	failed    error   // guarded by mu
}

// flowed is what came of it.
type flowed struct {
	rate      float64 // deliveries a second
	perCPU    float64 // deliveries for a second of the server's CPU time
	cores     float64 // that the server used
	generator float64 // cores that the generator used
	p50, p99  float64 // milliseconds from sending to receipt
	refused   float64 // per cent of the messages
}

// send stamps and sends the next message of a source.
func (f *flow) send(source int, at time.Duration) error {
	s := f.sources[source]
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp(s.data, at)
	return s.send(s.data)
}

// load is how much flows: so many messages of each source on their way, or, if pace is not 0, so many
// a second of all, whatever comes of them.
type load struct {
	inFlight     int
	pace         float64
	warm, window time.Duration // unmeasured and measured
}

// run keeps messages flowing for a window of time, and says what came of it.
func (f *flow) run(ctx context.Context, server *contender.Process, l load) (flowed, error) {
	f.closed = l.pace == 0
	defer f.stop()
	for n := range f.sources {
		for range l.inFlight {
			if err := f.send(n, clock()); err != nil {
				return flowed{}, err
			}
		}
	}
	for n := range f.clients {
		f.readers.Go(func() { f.read(n) })
	}
	if !f.closed {
		f.readers.Go(func() { f.pace(l.pace) })
	}
	if err := sleep(ctx, l.warm); err != nil {
		return flowed{}, err
	}
	var used [2]time.Duration
	var self [2]time.Duration
	begin := clock()
	for i := range used {
		var err error
		if used[i], err = server.CPU(); err != nil {
			return flowed{}, err
		}
		if self[i], err = gauge.CPU(os.Getpid()); err != nil {
			return flowed{}, err
		}
		if i == 0 {
			f.recording.Store(true)
			if err := sleep(ctx, l.window); err != nil {
				return flowed{}, err
			}
			f.recording.Store(false)
		}
	}
	took := (clock() - begin).Seconds()
	f.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil && len(f.latencies) == 0 {
		f.failed = errors.New("nothing came through")
	}
	slices.Sort(f.latencies)
	n := float64(len(f.latencies) - f.refusals)
	return flowed{
		rate:      n / took,
		perCPU:    n / max((used[1]-used[0]).Seconds(), 1e-6),
		cores:     (used[1] - used[0]).Seconds() / took,
		generator: (self[1] - self[0]).Seconds() / took,
		p50:       float64(sample.Percentile(f.latencies, 50)) / 1e3,
		p99:       float64(sample.Percentile(f.latencies, 99)) / 1e3,
		refused:   100 * float64(f.refusals) / max(float64(len(f.latencies)), 1),
	}, f.failed
}

// read takes what client n gets, until the flow is stopped.
func (f *flow) read(n int) {
	latencies := make([]int32, 0, 1<<14)
	refusals := 0
	var err error
	for err == nil {
		var message []byte
		message, err = f.clients[n].Next()
		if refused, ok := errors.AsType[*dialect.RefusedError](err); ok {
			if f.recording.Load() {
				latencies = append(latencies, int32(never.Microseconds()))
				refusals++
			}
			err = f.refused(n, refused.To)
			continue
		}
		if err != nil {
			break
		}
		now := clock()
		var at time.Duration
		var from int
		if at, from, err = readStamp(message); err != nil {
			break
		}
		if f.recording.Load() {
			latencies = append(latencies, int32(min((now-at).Microseconds(), 1<<31-1)))
		}
		if f.closed && f.sources[from].paces == n && !f.over.Load() {
			err = f.send(from, clock())
		}
	}
	f.fail(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latencies = append(f.latencies, latencies...)
	f.refusals += refusals
}

// refused sends another message in the place of one that client n has sent and the server refused, if the one
// that would have had it sent is whom it has not reached.
func (f *flow) refused(n int, to string) error {
	if !f.closed || f.over.Load() || f.clients[f.sources[n].paces].ID() != to {
		return nil
	}
	return f.send(n, clock())
}

// pace sends at a rate, the sources taking turns. A message that is sent in time is stamped with the time of sending;
// one that is late, because the server does not take what comes or there is too little CPU time here, with its own.
func (f *flow) pace(rate float64) {
	start := clock()
	for i := 0; !f.over.Load(); i++ {
		due := start + time.Duration(float64(i)/rate*float64(time.Second))
		now := clock()
		if due > now {
			time.Sleep(due - now)
			now = clock()
		}
		if now-due < lateness {
			due = now
		}
		if err := f.send(i%len(f.sources), due); err != nil {
			f.fail(err)
			return
		}
	}
}

// fail notes the first error before the end.
func (f *flow) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.failed == nil && !f.over.Load() {
		f.failed = err
	}
}

// stop ends the flow, and its clients with it.
func (f *flow) stop() {
	f.over.Store(true)
	for _, c := range f.clients {
		_ = c.Close()
	}
	f.readers.Wait()
}
