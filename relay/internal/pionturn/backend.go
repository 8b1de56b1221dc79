package pionturn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/relay/internal/policy"
	"github.com/parley-rtc/parley/relay/internal/tally"
)

// Account is what the relay knows about a username.
type Account struct {
	Name      string   // who pays the quota
	Passwords []string // each may be the right one; none for an unknown user
	Expired   bool     // good for a live allocation only
}

// Settings are a backend's configuration, complete and checked.
type Settings struct {
	Realm            string
	PublicIP         netip.Addr // IPv4, advertised
	RelayBind        netip.Addr // IPv4, what relay sockets bind to
	MinPort, MaxPort uint16
	PerAccount       int // allocations of one account
	Allocations      int // in all

	Account func(username string, now time.Time) Account
	Policy  *policy.Policy
	Limit   *policy.Bandwidth // nil: none
	Tally   *tally.Tally
	Logger  *slog.Logger
}

// Backend relays for any number of listeners, which share ports, quotas and counters.
type Backend struct {
	Settings
	ports  *ports
	ledger *ledger

	mu        sync.Mutex
	closed    bool                   // guarded by mu
	listeners map[*listener]struct{} // guarded by mu
}

// New returns a backend that serves nothing yet.
func New(s Settings) *Backend {
	return &Backend{
		Settings:  s,
		ports:     newPorts(s),
		ledger:    newLedger(s.PerAccount, s.Allocations),
		listeners: make(map[*listener]struct{}),
	}
}

// Serve answers on conn until reading fails or the backend is closed, and then returns nil for a
// closed backend. It closes conn and waits for all that it started.
func (b *Backend) Serve(conn net.PacketConn) error {
	l := newListener(b, conn)
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return conn.Close()
	}
	b.listeners[l] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.listeners, l)
		b.mu.Unlock()
	}()

	_, err := turn.NewServer(turn.ServerConfig{
		Realm:         b.Realm,
		AuthHandler:   l.authenticate,
		LoggerFactory: quiet{b.Logger},
		InboundMTU:    maxUDP + 1,
		EventHandler:  turn.EventHandler{OnAllocationCreated: l.adopt},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn:            l,
			RelayAddressGenerator: generator{l},
			PermissionHandler:     b.permits,
		}},
	})
	if err != nil {
		return errors.Join(fmt.Errorf("start the TURN server: %w", err), conn.Close())
	}
	err = l.wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	return err
}

// permits repeats the gate's decision about a peer, in case the server sees one that the gate did not.
func (b *Backend) permits(_ net.Addr, peer net.IP) bool {
	addr, _ := netip.AddrFromSlice(peer)
	verdict, _ := b.Policy.Judge(addr)
	return verdict != policy.Denied
}

// Live returns how many allocations there are.
func (b *Backend) Live() int { return b.ledger.live() }

// Drain refuses new allocations from now on and waits until there are none or ctx ends, and then
// returns its error.
func (b *Backend) Drain(ctx context.Context) error {
	select {
	case <-b.ledger.drain():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends every allocation and makes every Serve return. It may be called again.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.ledger.drain()
	var faults []error
	for l := range b.listeners {
		faults = append(faults, l.Close())
	}
	return errors.Join(faults...)
}
