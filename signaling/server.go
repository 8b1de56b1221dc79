package signaling

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/budget"
	"github.com/parley-rtc/parley/signaling/internal/schedule"
	"github.com/parley-rtc/parley/signaling/store"
)

// Server is a signaling server: an [http.Handler] for the resources of the
// protocol. Its methods may be called concurrently. Stop it by
// [Server.Shutdown], which tells the clients, or [Server.Close], which does not.
type Server struct {
	cfg    Config
	limits wire.Limits
	store  store.Store
	own    bool // the store lives and dies with this server
	log    *slog.Logger
	clock  *schedule.Queue
	counts counts
	ice    iceLife
	outage outage

	mu     sync.Mutex
	state  state              // guarded by mu
	links  map[*link]struct{} // guarded by mu; opened, as probes too, and not yet closed
	sweeps map[string]*sweep  // guarded by mu; by room

	probes    map[string]int // guarded by mu; links of a session that are not in use, if there are any
	joins     *budget.Table  // what an address may ask for
	idles     *budget.Table  // what comes to nothing on its links
	forwarded sync.Once      // X-Forwarded-For of somebody who is not trusted was logged
	crowded   sync.Once      // an address over the rate of joins was logged

	strangers map[string]bool      // guarded by mu; origins that were refused and logged
	lingering map[carrier]struct{} // guarded by mu; closed, and waiting for the other side's close
	parked    map[*parked]struct{} // guarded by mu; polls that wait
	parking   sync.WaitGroup       // of these; added to under mu while serving
	between   pollers

	turns   *sequence             // when it is somebody's turn
	moving  atomic.Pointer[drain] // nil: links stay; set under mu while serving
	moved   chan struct{}         // closed when it is set: polls that wait have a moment then
	drained chan struct{}         // closed when the server stops serving: polls that wait are answered
	rejoins atomic.Int64          // time in which all sessions are to join again, in nanoseconds, for they are lost with this process; 0: it serves

	work sync.WaitGroup // goroutines of links and sweeps; added to under mu while not closed

	ctx    context.Context // ends with the server; for store calls of links
	cancel context.CancelFunc
}

type state int

const (
	serving state = iota
	draining
	closed
)

// New returns a server. Its error names every fault of the configuration.
func New(cfg Config) (*Server, error) {
	own := cfg.Store == nil
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:    cfg,
		limits: cfg.Limits.wire(),
		store:  cfg.Store,
		own:    own,
		log:    cfg.Logger.With("node", cfg.Node),
		clock:  schedule.New(),
		links:  make(map[*link]struct{}),
		sweeps: make(map[string]*sweep),

		probes:    make(map[string]int),
		idles:     budget.NewTable(idleRateOfAddress),
		joins:     budget.NewTable(budget.Rate{PerSecond: cfg.Limits.JoinRate, Burst: cfg.Limits.JoinBurst}),
		strangers: make(map[string]bool),
		lingering: make(map[carrier]struct{}),
		parked:    make(map[*parked]struct{}),
		turns:     newSequence(),
		moved:     make(chan struct{}),
		drained:   make(chan struct{}),
	}
	s.counts.init()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Shutdown tells every client to go elsewhere, refuses new joins and links, and
// returns when all links are closed. When ctx ends first it closes the
// rest as [Server.Close] does, and returns the error of ctx. With rooms in memory clients are told to join
// again (they come back after a restart), not all at once, and who polls without waiting is waited for, 5 s at most; with a shared store, to
// resume on another server: [Server.Drain] before has them do so one after the other. Peers' connections to each other are not affected.
func (s *Server) Shutdown(ctx context.Context) error {
	open, err := s.dismiss(ctx, time.Second)
	if errors.Is(err, ErrServerClosed) {
		return err
	}
	s.close()
	for _, l := range open {
		<-l.gone
	}
	s.parking.Wait()
	return err
}

// Close closes every link without a word, and frees what the server holds. It
// returns when all its goroutines have ended.
func (s *Server) Close() error {
	s.close()
	return nil
}

func (s *Server) close() {
	s.mu.Lock()
	s.stopServing(closed)
	conns := make([]carrier, 0, len(s.links)+len(s.lingering))
	for l := range s.links {
		conns = append(conns, l.conn)
	}
	for conn := range s.lingering {
		conns = append(conns, conn)
	}
	s.mu.Unlock()

	s.cancel()
	s.clock.Close()
	for _, conn := range conns {
		conn.Abort()
	}
	for _, k := range s.waiting() {
		_ = k.conn.Close()
	}
	s.work.Wait()
}

// waiting returns the polls that are parked.
func (s *Server) waiting() []*parked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.parked))
}

// stopServing goes on to a later state. s.mu is held.
func (s *Server) stopServing(next state) {
	if s.state == serving {
		close(s.drained)
	}
	s.state = next
}

// refusing returns why nothing new is taken, or nil while the server serves.
func (s *Server) refusing() *wire.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == serving {
		return nil
	}
	return wire.Refuse(wire.Draining).After(1)
}

// start runs f on a goroutine that Close waits for; false: the server is closed.
func (s *Server) start(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == closed {
		return false
	}
	s.work.Go(f)
	return true
}

// linger waits for the other side of a refused link to close, for a bounded time.
func (s *Server) linger(conn carrier, drain func()) {
	s.mu.Lock()
	if s.state != closed {
		s.lingering[conn] = struct{}{}
	}
	s.mu.Unlock()
	wait := func() {
		drain()
		s.mu.Lock()
		delete(s.lingering, conn)
		s.mu.Unlock()
	}
	if !s.start(wait) {
		conn.Abort()
	}
}
