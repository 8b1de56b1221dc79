package turn

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// budget limits answers to those who have not shown that they get what is sent to them, so that
// spoofed requests cannot be used against others. It does not grow: addresses that share a bucket
// share its rate, and which ones do is not for a stranger to know. All engines of a relay have one: whoever
// makes up ports is at all of them.
type budget struct {
	seed    maphash.Seed
	sources []atomic.Int64 // budgetBuckets of them, gates
	all     atomic.Int64   // a gate
}

const (
	budgetBuckets = 1 << 16
	budgetBurst   = 2 * time.Second // how much may come at once, in time to pay for it
)

func (b *budget) init() {
	b.seed = maphash.MakeSeed()
	b.sources = make([]atomic.Int64, budgetBuckets)
}

// allow reports whether an answer to addr may be sent, where so many may in a second, to one source and to all.
func (b *budget) allow(now int64, addr netip.Addr, perSource, sum int64) bool {
	key := source(addr)
	if addr.Is4() || addr.Is4In6() {
		key[0] = 1 // apart from the IPv6 networks
	}
	bucket := &b.sources[maphash.Bytes(b.seed, key[:])%budgetBuckets]
	return passShared(bucket, now, price(1, perSource), budgetBurst) &&
		passShared(&b.all, now, price(1, sum), budgetBurst/20)
}
