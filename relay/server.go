package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/parley-rtc/parley/relay/internal/pionturn"
	"github.com/parley-rtc/parley/relay/internal/policy"
	"github.com/parley-rtc/parley/relay/internal/tally"
)

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("relay: server closed")

// Server is a STUN and TURN server. All its methods may be called concurrently.
type Server struct {
	backend *pionturn.Backend
	tally   *tally.Tally

	mu      sync.Mutex
	closed  bool           // guarded by mu
	serving sync.WaitGroup // calls of Serve; added to with mu held and closed false
}

// New returns a server that serves nothing yet, or every fault of the configuration at once.
func New(cfg Config) (*Server, error) {
	cfg, faults := cfg.resolved()
	rules, err := policy.New(policy.Rules{
		Allow:         cfg.AllowPeers,
		Deny:          cfg.DenyPeers,
		AllowLoopback: cfg.AllowLoopback,
		NAT64:         cfg.NAT64,
		Relayed:       []netip.Addr{cfg.PublicIP, cfg.RelayBind},
	})
	if err := errors.Join(faults, err); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	counters := &tally.Tally{}
	return &Server{
		tally: counters,
		backend: pionturn.New(pionturn.Settings{
			Realm:       cfg.Realm,
			PublicIP:    cfg.PublicIP,
			RelayBind:   cfg.RelayBind,
			MinPort:     cfg.MinPort,
			MaxPort:     cfg.MaxPort,
			PerAccount:  cfg.MaxAllocationsPerUser,
			Allocations: cfg.MaxAllocations,
			Account:     cfg.account,
			Policy:      rules,
			Limit:       policy.NewBandwidth(cfg.BitsPerAddress),
			Tally:       counters,
			Logger:      cfg.Logger,
		}),
	}, nil
}

// Serve answers STUN and TURN on a UDP socket until reading from it fails, or until Shutdown or
// Close, after which it returns [ErrServerClosed]. It closes conn, and the allocations made through
// it end. Several sockets may be served at once, by a call of Serve each.
func (s *Server) Serve(conn net.PacketConn) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = conn.Close() // there is no more use for it, nor for the error
		return ErrServerClosed
	}
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()

	if err := s.backend.Serve(conn); err != nil {
		return fmt.Errorf("relay: serve %v: %w", conn.LocalAddr(), err)
	}
	return ErrServerClosed
}

// Shutdown refuses new allocations and lets the live ones go on until there are none or ctx ends,
// then closes the server. It returns nil in the first case and ctx's error in the second. STUN
// binding requests are answered meanwhile.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.backend.Drain(ctx)
	return errors.Join(err, s.Close())
}

// Close ends every allocation and waits until every Serve has returned. It may be called again.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.backend.Close()
	s.serving.Wait()
	return err
}
