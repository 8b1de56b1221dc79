package turn

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// budget limits answers to those who have not shown that they get what is sent to them, so that
// spoofed requests cannot be used against others. It does not grow: addresses that share a bucket
// share its rate, and which ones do is not for a stranger to know.
type budget struct {
	seed           maphash.Seed
	sources        []gate // budgetBuckets of them
	all            gate
	perSource, sum int64 // answers per second
}

const (
	budgetBuckets = 1 << 16
	budgetBurst   = 2 * time.Second // how much may come at once, in time to pay for it
)

func newBudget(perSource, sum int) budget {
	return budget{
		seed:      maphash.MakeSeed(),
		sources:   make([]gate, budgetBuckets),
		perSource: int64(perSource),
		sum:       int64(sum),
	}
}

// allow reports whether an answer to addr may be sent.
func (b *budget) allow(now int64, addr netip.Addr) bool {
	key := source(addr)
	if addr.Is4() || addr.Is4In6() {
		key[0] = 1 // apart from the IPv6 networks
	}
	bucket := &b.sources[maphash.Bytes(b.seed, key[:])%budgetBuckets]
	return bucket.pass(now, price(1, b.perSource), budgetBurst) &&
		b.all.pass(now, price(1, b.sum), budgetBurst/20)
}
