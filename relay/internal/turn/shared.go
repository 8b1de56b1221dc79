package turn

import (
	"crypto/rand"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound what all engines of a relay do together. A zero field means its documented default.
type Limits struct {
	Allocations          int   // at once; 0: as many as there are ports
	AllocationsPerUser   int   // default 64
	AllocationsPerSource int   // by IPv4 address or IPv6 /64; default 1000
	Bits                 int64 // per second, payload relayed, both ways together; 0: no limit
}

// Shared is what the engines of one relay share. It may be used concurrently.
type Shared struct {
	nonceKey [32]byte
	draining atomic.Bool
	bits     pool

	quota       quota
	directory   directory
	kept        reservations
	connections connections

	revokedMu sync.RWMutex
	revoked   map[string]time.Time // guarded by revokedMu; by user, until when
}

// NewShared returns what one relay's engines share.
func NewShared(l Limits) *Shared {
	s := &Shared{revoked: make(map[string]time.Time)}
	random(s.nonceKey[:])
	s.bits.rate = (l.Bits + 7) / 8
	s.quota.init(l)
	s.directory.byAddr = make(map[netip.AddrPort]place)
	s.kept.byToken = make(map[token]*reservation)
	s.connections.byID = make(map[uint32]*connection)
	return s
}

// random fills b; crypto/rand does not fail.
func random(b []byte) { _, _ = rand.Read(b) }

// Drain makes the engines refuse new allocations, or accept them again.
func (s *Shared) Drain(on bool) { s.draining.Store(on) }

// Live returns how many allocations there are.
func (s *Shared) Live() int { return s.quota.live() }

// Revoke refuses a user until then. What the user has ends by a Revoke of each engine.
func (s *Shared) Revoke(user string, now, until time.Time) {
	s.revokedMu.Lock()
	defer s.revokedMu.Unlock()
	for name, end := range s.revoked {
		if !now.Before(end) {
			delete(s.revoked, name)
		}
	}
	s.revoked[user] = until
}

func (s *Shared) isRevoked(user string, now time.Time) bool {
	s.revokedMu.RLock()
	defer s.revokedMu.RUnlock()
	until, found := s.revoked[user]
	return found && now.Before(until)
}

// pool hands out the bits that all engines relay together, in slices.
type pool struct {
	rate int64        // bytes per second; 0: no limit
	paid atomic.Int64 // as in gate
}

// slice is how much of the pool an engine takes at once.
const slice = 10 * time.Millisecond

// lease returns how many bytes may be relayed, at least need, or 0.
func (p *pool) lease(now int64, need int) int64 {
	n := max(p.rate/int64(time.Second/slice), int64(need))
	cost := int64(price(n, p.rate))
	for {
		old := p.paid.Load()
		paid := max(old, now-int64(10*slice)) + cost
		if paid > now {
			return 0
		}
		if p.paid.CompareAndSwap(old, paid) {
			return n
		}
	}
}
