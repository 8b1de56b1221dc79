//go:build linux

package flow

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/bench/internal/dialect"
	"github.com/parley-rtc/parley/bench/internal/gauge"
	"github.com/parley-rtc/parley/bench/internal/sample"
)

const (
	lateness = 2 * time.Millisecond // of a message that still counts as sent in time
	never    = time.Minute          // as long as what is refused counts as under way
)

// Source sends the messages of the client of the same number: to another, or to all.
type Source struct {
	Paces int // the client whose receipt of a message has the next one sent, in a closed loop
	Send  func(data []byte) error

	mu   sync.Mutex
	data []byte // guarded by mu, as are calls of Send
}

// Meter reads the CPU time that something has used.
type Meter interface{ CPU() (time.Duration, error) }

// Flow is messages on their way between clients. It is used once.
type Flow struct {
	Clients []dialect.Client

	sources []*Source
	closed  bool // the loop; otherwise a pacer sends

	recording atomic.Bool
	over      atomic.Bool
	readers   sync.WaitGroup

	mu        sync.Mutex
	latencies []int32 // microseconds; guarded by mu
	refusals  int     // among the latencies; guarded by mu
	failed    error   // guarded by mu
}

// Result is what came of it.
type Result struct {
	Frames    int             // deliveries
	Took      time.Duration   // in which they came
	Used      []time.Duration // CPU time, by meter
	Generator time.Duration   // CPU time of this process
	P50, P99  float64         // milliseconds from sending to receipt
	Refused   float64         // per cent of the messages
}

// Rate is deliveries a second.
func (r Result) Rate() float64 { return float64(r.Frames) / r.Took.Seconds() }

// Cores is how many of them a CPU time came to.
func (r Result) Cores(used time.Duration) float64 { return used.Seconds() / r.Took.Seconds() }

// PerCPU is deliveries for a second of a CPU time.
func (r Result) PerCPU(used time.Duration) float64 {
	return float64(r.Frames) / max(used.Seconds(), 1e-6)
}

// Add adds the source of the client with the next number: what it sends has so many bytes.
func (f *Flow) Add(paces, size int, send func(data []byte) error) {
	f.sources = append(f.sources, &Source{Paces: paces, Send: send, data: stamped(len(f.sources), size)})
}

// send stamps and sends the next message of a source.
func (f *Flow) send(source int, at time.Duration) error {
	s := f.sources[source]
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp(s.data, at)
	return s.Send(s.data)
}

// Load is how much flows: so many messages of each source on their way, or, if Pace is not 0, so many
// a second of all, whatever comes of them.
type Load struct {
	InFlight     int
	Pace         float64
	Warm, Window time.Duration // unmeasured and measured
}

// Run keeps messages flowing for a window of time, and says what came of it and what was used meanwhile. It closes the clients.
func (f *Flow) Run(ctx context.Context, l Load, meters ...Meter) (Result, error) {
	f.closed = l.Pace == 0
	defer f.Stop()
	for n := range f.sources {
		for range l.InFlight {
			if err := f.send(n, clock()); err != nil {
				return Result{}, err
			}
		}
	}
	for n := range f.Clients {
		f.readers.Go(func() { f.read(n) })
	}
	if !f.closed {
		f.readers.Go(func() { f.pace(l.Pace) })
	}
	if err := sleep(ctx, l.Warm); err != nil {
		return Result{}, err
	}
	meters = append(meters, self{})
	begin := clock()
	before, err := readAll(meters)
	if err != nil {
		return Result{}, err
	}
	f.recording.Store(true)
	if err := sleep(ctx, l.Window); err != nil {
		return Result{}, err
	}
	f.recording.Store(false)
	used, err := readAll(meters)
	if err != nil {
		return Result{}, err
	}
	took := clock() - begin
	f.Stop()
	for i := range used {
		used[i] -= before[i]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil && len(f.latencies) == 0 {
		f.failed = errors.New("nothing came through")
	}
	slices.Sort(f.latencies)
	last := len(used) - 1
	return Result{
		Frames:    len(f.latencies) - f.refusals,
		Took:      took,
		Used:      used[:last],
		Generator: used[last],
		P50:       float64(sample.Percentile(f.latencies, 50)) / 1e3,
		P99:       float64(sample.Percentile(f.latencies, 99)) / 1e3,
		Refused:   100 * float64(f.refusals) / max(float64(len(f.latencies)), 1),
	}, f.failed
}

// self is this process.
type self struct{}

func (self) CPU() (time.Duration, error) { return gauge.CPU(os.Getpid()) }

func readAll(meters []Meter) ([]time.Duration, error) {
	used := make([]time.Duration, len(meters))
	for i, m := range meters {
		var err error
		if used[i], err = m.CPU(); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// sleep waits, or returns why not.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// read takes what client n gets, until the flow is stopped.
func (f *Flow) read(n int) {
	latencies := make([]int32, 0, 1<<14)
	refusals := 0
	var err error
	for err == nil {
		var message []byte
		message, err = f.Clients[n].Next()
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
		if f.closed && f.sources[from].Paces == n && !f.over.Load() {
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
func (f *Flow) refused(n int, to string) error {
	if !f.closed || f.over.Load() || f.Clients[f.sources[n].Paces].ID() != to {
		return nil
	}
	return f.send(n, clock())
}

// pace sends at a rate, the sources taking turns. A message that is sent in time is stamped with the time of sending;
// one that is late, because the server does not take what comes or there is too little CPU time here, with its own.
func (f *Flow) pace(rate float64) {
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
func (f *Flow) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.failed == nil && !f.over.Load() {
		f.failed = err
	}
}

// Stop ends the flow, and its clients with it.
func (f *Flow) Stop() {
	f.over.Store(true)
	for _, c := range f.Clients {
		_ = c.Close()
	}
	f.readers.Wait()
}
