package turn

import (
	"cmp"
	"math"
	"sync"
)

// quota counts live allocations, and ports kept for one, against the limits.
type quota struct {
	perUser, perSource, total int

	mu      sync.Mutex
	users   map[string]int   // guarded by mu; no zeros
	sources map[[16]byte]int // guarded by mu; no zeros
	sum     int              // guarded by mu
	count   int              // guarded by mu; allocations only
}

func (q *quota) init(l Limits) {
	q.perUser = cmp.Or(l.AllocationsPerUser, 64)
	q.perSource = cmp.Or(l.AllocationsPerSource, 1000)
	q.total = cmp.Or(l.Allocations, math.MaxInt)
	q.users = make(map[string]int)
	q.sources = make(map[[16]byte]int)
}

// enter counts n in, all for one user and source, and returns "" or what stands against it.
func (q *quota) enter(user string, from [16]byte, n int) Refusal {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.users[user]+n > q.perUser:
		return RefusedUserQuota
	case q.sources[from]+n > q.perSource:
		return RefusedSourceQuota
	case q.sum+n > q.total:
		return RefusedCapacity
	}
	q.users[user] += n
	q.sources[from] += n
	q.sum += n
	return 0
}

// leave counts n out again.
func (q *quota) leave(user string, from [16]byte, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.users[user] -= n; q.users[user] == 0 {
		delete(q.users, user)
	}
	if q.sources[from] -= n; q.sources[from] == 0 {
		delete(q.sources, from)
	}
	q.sum -= n
}

// begun and ended count allocations alone.
func (q *quota) begun() { q.mu.Lock(); q.count++; q.mu.Unlock() }
func (q *quota) ended() { q.mu.Lock(); q.count--; q.mu.Unlock() }

func (q *quota) live() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
}
