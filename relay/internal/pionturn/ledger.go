package pionturn

import (
	"errors"
	"sync"
)

var (
	errDraining = errors.New("the relay is shutting down")
	errQuota    = errors.New("the user has as many allocations as allowed")
	errCapacity = errors.New("the relay has as many allocations as allowed")
)

// ledger counts live allocations against the limits.
type ledger struct {
	perAccount, total int

	mu       sync.Mutex
	accounts map[string]int // guarded by mu; live allocations, no zeros
	count    int            // guarded by mu; the sum of accounts
	draining bool           // guarded by mu
	empty    chan struct{}  // closed once draining is true and count is zero
}

func newLedger(perAccount, total int) *ledger {
	return &ledger{perAccount: perAccount, total: total, accounts: make(map[string]int), empty: make(chan struct{})}
}

// check returns why an account cannot have one more allocation now.
func (l *ledger) check(account string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault(account)
}

// fault is check with the lock held.
func (l *ledger) fault(account string) error {
	switch {
	case l.draining:
		return errDraining
	case l.accounts[account] >= l.perAccount:
		return errQuota
	case l.count >= l.total:
		return errCapacity
	}
	return nil
}

// enter counts an allocation in; leave must follow when it ends.
func (l *ledger) enter(account string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fault(account); err != nil {
		return err
	}
	l.accounts[account]++
	l.count++
	return nil
}

func (l *ledger) leave(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.accounts[account]--; l.accounts[account] == 0 {
		delete(l.accounts, account)
	}
	l.count--
	if l.draining && l.count == 0 {
		close(l.empty)
	}
}

// drain refuses everybody from now on and returns what is closed when the last one has left.
func (l *ledger) drain() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.draining {
		l.draining = true
		if l.count == 0 {
			close(l.empty)
		}
	}
	return l.empty
}

func (l *ledger) live() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}
