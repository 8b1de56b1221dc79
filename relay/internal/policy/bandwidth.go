package policy

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// burstTime is how much may go at once, as what is allowed in such a time: a key frame of video is not cut.
	burstTime = 500 * time.Millisecond
	// leastBurst is the size of some of the largest datagrams that are relayed, for low limits.
	leastBurst = 16 << 10
	// maxIdle is how many addresses without an allocation are remembered, so that a new allocation is no new burst.
	maxIdle = 4096
)

// Bandwidth limits what the clients of one address have relayed, both ways together. It may be used concurrently; nil
// limits nothing.
type Bandwidth struct {
	rate  float64 // bytes in a second
	burst float64 // bytes

	mu      sync.Mutex
	buckets map[netip.Addr]*Bucket // guarded by mu; those with allocations, and at most maxIdle of others
	idle    int                    // guarded by mu; how many of them have none
	latest  time.Time              // guarded by mu; when an allocation last began
}

// Bucket is what the clients of one address have left (a token bucket). A nil one is never empty.
type Bucket struct {
	of          *Bandwidth
	addr        netip.Addr
	allocations int // guarded by of.mu

	mu   sync.Mutex
	left float64   // bytes; guarded by mu
	at   time.Time // when left was that; guarded by mu
}

// NewBandwidth returns a limit of so many bits in a second for each address; 0: nil, no limit.
func NewBandwidth(bits int64) *Bandwidth {
	if bits <= 0 {
		return nil
	}
	rate := float64(bits) / 8
	return &Bandwidth{
		rate:    rate,
		burst:   max(rate*burstTime.Seconds(), leastBurst),
		buckets: make(map[netip.Addr]*Bucket),
	}
}

// Enter returns the bucket for a new allocation of a client. Leave must follow when it ends.
func (b *Bandwidth) Enter(client netip.Addr, now time.Time) *Bucket {
	if b == nil {
		return nil
	}
	addr := source(client)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = now
	bucket := b.buckets[addr]
	switch {
	case bucket == nil:
		bucket = &Bucket{of: b, addr: addr, left: b.burst, at: now}
		b.buckets[addr] = bucket
	case bucket.allocations == 0:
		b.idle--
	}
	bucket.allocations++
	return bucket
}

// Leave says that an allocation has ended.
func (k *Bucket) Leave() {
	if k == nil {
		return
	}
	b := k.of
	b.mu.Lock()
	defer b.mu.Unlock()
	if k.allocations--; k.allocations > 0 {
		return
	}
	b.idle++
	if b.idle > maxIdle {
		b.forget(b.latest)
	}
}

// forget drops buckets without allocations: all that are full again, which a new one would be as well, and
// if they are still too many, any. b.mu is held.
func (b *Bandwidth) forget(now time.Time) {
	for pass := range 2 {
		for addr, k := range b.buckets {
			if k.allocations > 0 || pass == 0 && !k.full(now) {
				continue
			}
			delete(b.buckets, addr)
			if b.idle--; pass == 1 && b.idle <= maxIdle/2 {
				return
			}
		}
		if b.idle <= maxIdle/2 {
			return
		}
	}
}

// Take says whether a datagram of so many bytes may go, and counts it if so.
func (k *Bucket) Take(size int, now time.Time) bool {
	if k == nil {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fill(now)
	if k.left < float64(size) {
		return false
	}
	k.left -= float64(size)
	return true
}

// Spend counts so many bytes, of a stream that cannot be dropped, and returns how long to wait before more may go.
func (k *Bucket) Spend(size int, now time.Time) time.Duration {
	if k == nil {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fill(now)
	k.left -= float64(size)
	return max(0, time.Duration(-k.left/k.of.rate*float64(time.Second)))
}

func (k *Bucket) full(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fill(now)
	return k.left >= k.of.burst
}

// fill adds what has come in since. k.mu is held.
func (k *Bucket) fill(now time.Time) {
	if passed := now.Sub(k.at); passed > 0 {
		k.left = min(k.left+passed.Seconds()*k.of.rate, k.of.burst)
		k.at = now
	}
}

// source is what counts as one address: of IPv6 a /64, of which one customer has at least one.
func source(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	prefix, _ := addr.Prefix(64) // 64 is in range
	return prefix.Addr()
}
