package budget

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// slots is how many accounts a table has: 256 KiB, however many addresses there are.
const slots = 1 << 15

// Table has an account for every address, in a fixed place. Addresses share accounts, two each, and the one with
// more in it counts: so somebody who empties a thousand accounts stands in the way of few
// others. Which share is not to be known from outside. It may be used concurrently.
type Table struct {
	rate  Rate
	seed  maphash.Seed
	began time.Time

	mu       sync.Mutex
	accounts []time.Duration // guarded by mu; since began
}

// NewTable returns a table of full accounts.
func NewTable(rate Rate) *Table {
	return &Table{rate: rate, seed: maphash.MakeSeed(), began: time.Now(), accounts: make([]time.Duration, slots)}
}

// Take takes an amount from an address's account, or says how long to wait.
func (t *Table) Take(address netip.Addr, amount int) (wait time.Duration) {
	hash := maphash.Comparable(t.seed, address)
	one, other := hash%slots, hash>>32%slots
	t.mu.Lock()
	defer t.mu.Unlock()
	account := min(t.accounts[one], t.accounts[other])
	after, wait := t.rate.Take(t.began.Add(account), time.Now(), amount)
	if wait > 0 {
		return wait
	}
	account = after.Sub(t.began)
	t.accounts[one] = max(t.accounts[one], account)
	t.accounts[other] = max(t.accounts[other], account)
	return 0
}
