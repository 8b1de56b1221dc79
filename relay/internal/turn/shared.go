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
	serial   atomic.Uint64 // of the latest allocation
	bits     pool

	budget      budget
	quota       quota
	directory   directory // of UDP
	streams     directory // of TCP
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
	s.budget.init()
	s.directory.byAddr = make(map[netip.AddrPort]place)
	s.streams.byAddr = make(map[netip.AddrPort]place)
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

// Serial returns the serial number of the latest allocation.
func (s *Shared) Serial() uint64 { return s.serial.Load() }

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

// reserve takes so many bytes and returns from when on they may be relayed. Whoever waits for that before reserving
// again gets its turn, whatever the others need.
func (p *pool) reserve(now, n int64) int64 {
	cost := int64(price(n, p.rate))
	for {
		old := p.paid.Load()
		from := max(old, now-int64(10*slice))
		if p.paid.CompareAndSwap(old, from+cost) {
			return from
		}
	}
}

// giveBack returns what was reserved and will not be relayed: nobody has to wait for it.
func (p *pool) giveBack(n int64) { p.paid.Add(-int64(price(n, p.rate))) }

// Limited reports whether there is a limit of bits per second for all engines together.
func (s *Shared) Limited() bool { return s.bits.rate > 0 }

// Carry takes so many bytes of a stream out of what all engines may relay, and returns how long to wait before carrying
// them. What its allocation may relay is for [Engine.Carried] to say.
func (s *Shared) Carry(now time.Time, n int) time.Duration {
	if s.bits.rate == 0 {
		return 0
	}
	return max(0, time.Duration(s.bits.reserve(now.UnixNano(), int64(n))-now.UnixNano()))
}

// GiveBack returns what Carry took, for a stream that has ended while it waited.
func (s *Shared) GiveBack(n int) {
	if s.bits.rate > 0 {
		s.bits.giveBack(int64(n))
	}
}

// lease is what an engine may relay of the pool, for datagrams, which do not wait.
type lease struct {
	left  int64 // bytes
	next  int64 // bytes that are added
	comes int64 // then
}

// take takes a datagram out of the lease, and returns false if there is too little.
func (l *lease) take(p *pool, now, size int64) bool {
	for range 2 { // what is reserved may be there at once
		if l.next > 0 && now >= l.comes {
			l.left += l.next
			l.next = 0
		}
		if l.left >= size {
			l.left -= size
			return true
		}
		if l.next == 0 {
			l.next = max(p.rate/int64(time.Second/slice), size)
			l.comes = p.reserve(now, l.next)
		}
	}
	return false
}
