package worker

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// Crew are the workers of one relay, and what they share. Its methods may be called concurrently.
type Crew struct {
	cfg     Settings
	shared  *turn.Shared
	workers []*Worker
	next    atomic.Uint64 // whose turn it is to get what any of them may serve

	pools   [2]pools
	sources sources
	dtls    dtlsServer
	buffers buffers

	closing  sync.Once
	closed   atomic.Bool
	done     chan struct{} // closed by Close
	running  sync.WaitGroup
	watching sync.Once

	mu     sync.Mutex    // taken after a worker's, never before
	idle   chan struct{} // guarded by mu; closed when no allocation is left, if somebody waits
	warned time.Time     // guarded by mu; when running out of ports was last logged
}

// New returns a crew that serves nothing yet, or what is wrong with the engines' configuration.
func New(s Settings) (*Crew, error) {
	if s.Engine.TCP && !canShare {
		return nil, errors.New("TCP cannot be relayed on this system")
	}
	s.Workers = cmp.Or(s.Workers, 1)
	s.HalfOpen = cmp.Or(s.HalfOpen, 1000)
	s.Patience = cmp.Or(s.Patience, 10*time.Second)
	s.Recheck = cmp.Or(s.Recheck, 5*time.Second)
	c := &Crew{
		cfg:     s,
		shared:  s.Engine.Shared,
		sources: sources{most: s.Connections, bySource: make(map[netip.Addr]int)},
		done:    make(chan struct{}),
	}
	for i := range c.pools {
		c.pools[i] = pools{udp: newPool(s.MinPort, s.MaxPort), tcp: newPool(s.MinPort, s.MaxPort)}
	}
	c.dtls.init(s)
	for i := range s.Workers {
		w, err := newWorker(c, i)
		if err != nil {
			return nil, err
		}
		c.workers = append(c.workers, w)
	}
	return c, nil
}

// pick returns the next worker, for a client's connection or a socket that one alone can serve.
func (c *Crew) pick() *Worker {
	if len(c.workers) == 1 {
		return c.workers[0]
	}
	return c.workers[c.next.Add(1)%uint64(len(c.workers))]
}

// Idle returns a channel that is closed as soon as there is no allocation.
func (c *Crew) Idle() <-chan struct{} {
	for _, w := range c.workers { // what was about to be made is counted when this is over
		w.mu.Lock()
		w.mu.Unlock() //nolint:staticcheck // see above
	}
	c.mu.Lock()
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	c.settle()
	return idle
}

// settle tells those who wait that there is no allocation, if so.
func (c *Crew) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle != nil && c.shared.Live() == 0 {
		select {
		case <-c.idle:
		default:
			close(c.idle)
		}
	}
}

// Revoke ends the allocations of a user and returns how many there were.
func (c *Crew) Revoke(user string) (n int) {
	for _, w := range c.workers {
		w.do(func(e *turn.Engine, _ time.Time) { n += e.Revoke(user) })
	}
	return n
}

// Close ends every allocation and connection, and waits until all that was served has ended. It may
// be called again, also at the same time: then it waits for the first one to be done.
func (c *Crew) Close() (err error) {
	c.closing.Do(func() { err = c.close() })
	return err
}

func (c *Crew) close() error {
	c.closed.Store(true)
	var sockets []io.Closer
	for _, w := range c.workers {
		sockets = append(sockets, w.refuse()...)
	}
	close(c.done)
	var faults []error
	for _, w := range c.workers {
		w.stop()
	}
	for _, socket := range sockets {
		if err := socket.Close(); err != nil && !gone(err) {
			faults = append(faults, err)
		}
	}
	c.running.Wait()
	for _, w := range c.workers {
		if err := w.sockets.Close(); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// gone reports whether an error says that a socket is closed.
func gone(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, packet.ErrClosed) || errors.Is(err, os.ErrClosed)
}
