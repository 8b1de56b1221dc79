package worker

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// ErrClosed is what serving returns when the crew is closed.
var ErrClosed = errors.New("worker: closed")

// Settings are a crew's configuration, complete and checked, except where a default is documented.
type Settings struct {
	// Workers is how many there are. Default 1.
	Workers int
	// Engine is the engines' configuration but for Index, Ports, Sink, Began and Ended. Its families must
	// be those that Relays has addresses for.
	Engine turn.Config
	// Relays are the addresses of relay sockets, IPv4 and IPv6.
	Relays [2]Address
	// MinPort and MaxPort bound their ports.
	MinPort, MaxPort uint16

	// GetCertificate returns the certificate for a TLS or DTLS client; nil: neither is served.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Connections is how many TCP and DTLS connections one IPv4 address or IPv6 /64 may have.
	Connections int
	// HalfOpen is how many DTLS handshakes may be going on. Default 1000.
	HalfOpen int
	// Mode is how UDP sockets are read and written.
	Mode packet.Mode
	// Patience is how long a connection may take to authenticate. Default 10 s.
	Patience time.Duration

	// Changed reports whether the policy's verdicts may be others than before; nil: they never are. It is called now
	// and then by one goroutine.
	Changed func() bool
	// Recheck is how often. Default 5 s.
	Recheck time.Duration

	// Ended is told of allocations that have ended, with no lock held; nil: nobody is.
	Ended func(turn.Info)
	// Quiet is a user of whose allocations nobody is told, nor the log.
	Quiet string

	Logger *slog.Logger
}

// Address is where relay sockets of a family are.
type Address struct {
	Bind   netip.Addr // what they are bound to; zero: the family is not relayed
	Public netip.Addr // what clients are told
}

// Worker runs one engine of a crew.
type Worker struct {
	cfg     Settings
	crew    *Crew
	shared  *turn.Shared
	drops   reasons       // what is dropped outside of the engine
	kernel  atomic.Uint64 // what the system dropped before it was read, as far as it is told of
	sockets *packet.Group // of UDP
	outs    sync.Pool     // *packet.Outbox that nobody uses
	spare   atomic.Pointer[handed]

	mu         sync.Mutex
	engine     *turn.Engine   // guarded by mu, and so is what it points to
	out        *packet.Outbox // guarded by mu; of whoever holds it
	rest       []func()       // guarded by mu; to be done when it is let go: what closes something, or logs
	stirred    []*client      // guarded by mu; whose writers are to be woken when it is let go
	handed     *handed        // guarded by mu; for the other workers, when it is let go; nil: nothing
	armed      time.Time      // guarded by mu; when the clock goroutine will look next
	clients    map[uint64]*client
	lastClient uint64                 // guarded by mu, as clients is
	listeners  map[uint32]*listener   // guarded by mu
	lastNumber uint32                 // guarded by mu; of a listener
	peers      map[uint32]*peerConn   // guarded by mu; by connection id
	serving    map[io.Closer]struct{} // guarded by mu; sockets that are accepted or read from
	closed     bool                   // guarded by mu; nothing new is served
	ticking    bool                   // guarded by mu; the clock goroutine runs
	stopped    bool                   // guarded by mu; the engine is closed

	wake    chan struct{} // capacity 1; tells the clock goroutine to look
	done    chan struct{} // the crew's
	running *sync.WaitGroup
}

// newWorker returns the worker of a crew with that number, which serves nothing yet.
func newWorker(c *Crew, number int) (*Worker, error) {
	s := c.cfg
	w := &Worker{
		cfg:       s,
		crew:      c,
		shared:    c.shared,
		clients:   make(map[uint64]*client),
		listeners: make(map[uint32]*listener),
		peers:     make(map[uint32]*peerConn),
		serving:   make(map[io.Closer]struct{}),
		wake:      make(chan struct{}, 1),
		done:      c.done,
		running:   &c.running,
	}
	w.outs.New = func() any { return packet.NewOutbox(w.lost) }
	w.sockets = packet.NewGroup(s.Mode, w.receive, w.lost)
	s.Engine.Index, s.Engine.Ports, s.Engine.Sink = number, w, w
	s.Engine.NoIPv4 = !s.Relays[0].Bind.IsValid()
	s.Engine.NoIPv6 = !s.Relays[1].Bind.IsValid()
	s.Engine.DontFragment = packet.CanSetDF
	s.Engine.Began, s.Engine.Ended = w.began, w.ended
	engine, err := turn.New(s.Engine)
	if err != nil {
		return nil, err
	}
	w.engine = engine
	return w, nil
}

// do calls f with the engine, unless that has been closed, and then sends what it answered.
func (w *Worker) do(f func(e *turn.Engine, now time.Time)) {
	out := w.outs.Get().(*packet.Outbox)
	w.feed(out, f)
	w.outs.Put(out)
}

// feed is do for those who have an outbox of their own.
func (w *Worker) feed(out *packet.Outbox, f func(e *turn.Engine, now time.Time)) {
	if !w.hold(out) {
		return
	}
	f(w.engine, time.Now())
	w.letGo(out)
}

// hold takes the lock for whoever feeds the engine, unless that has been closed. LetGo must follow then.
func (w *Worker) hold(out *packet.Outbox) bool {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return false
	}
	w.out = out
	return true
}

// letGo lets the lock go and sends what the engine has answered. What that hands to the engines of other workers is fed to them
// before: nobody has two locks.
func (w *Worker) letGo(out *packet.Outbox) {
	rest, handed := w.release()
	if handed != nil {
		w.deliver(handed, out)
	}
	out.Flush()
	for _, f := range rest {
		f()
	}
}

// release lets the lock go and returns what is to be done then.
func (w *Worker) release() (rest []func(), handed *handed) {
	w.out = nil
	if next := w.engine.Next(); !next.IsZero() && (w.armed.IsZero() || next.Before(w.armed)) {
		w.armed = next
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	for i, c := range w.stirred {
		c.queue.signal()
		w.stirred[i] = nil
	}
	w.stirred = w.stirred[:0]
	rest, handed = w.rest, w.handed
	w.rest, w.handed = nil, nil
	w.mu.Unlock()
	return rest, handed
}

// clock lets the engine expire what is due.
func (w *Worker) clock() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-w.done:
			return
		case <-w.wake:
		case <-timer.C:
		}
		var wait time.Duration
		w.do(func(e *turn.Engine, now time.Time) {
			e.Expire(now)
			w.armed = e.Next()
			wait = time.Hour
			if !w.armed.IsZero() {
				wait = w.armed.Sub(now)
			}
		})
		timer.Reset(max(wait, 10*time.Millisecond)) // a crowd that expires one by one is served in bunches
	}
}

// enter takes note of a socket that is served, so that Close closes it.
func (w *Worker) enter(socket io.Closer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	w.serving[socket] = struct{}{}
	w.begin()
	return nil
}

// begin counts something that runs, and starts the clock with the first. w.mu is held.
func (w *Worker) begin() {
	w.running.Add(1)
	if !w.ticking {
		w.ticking = true
		w.running.Go(w.clock)
		if w.cfg.Changed != nil {
			w.crew.watching.Do(func() { w.running.Go(w.crew.watch) })
		}
	}
}

// leave undoes enter; the socket is closed.
func (w *Worker) leave(socket io.Closer) {
	_ = socket.Close() // it is of no use to anybody
	w.mu.Lock()
	delete(w.serving, socket)
	w.mu.Unlock()
	w.running.Done()
}

// ending turns the error that ended serving into ErrClosed if the crew is closed.
func (c *Crew) ending(err error) error {
	if c.closed.Load() {
		return ErrClosed
	}
	return err
}

// drop counts something that went nowhere, outside of the engine.
func (w *Worker) drop(reason string) { w.drops.add(reason, 1) }

// refuse makes the worker refuse what is new, and returns what it serves, to be closed.
func (w *Worker) refuse() (sockets []io.Closer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for socket := range w.serving {
		sockets = append(sockets, socket)
	}
	for _, c := range w.clients {
		sockets = append(sockets, c.raw)
	}
	return sockets
}

// stop closes the engine.
func (w *Worker) stop() {
	w.do(func(e *turn.Engine, _ time.Time) {
		e.Close()
		w.stopped = true
	})
}
