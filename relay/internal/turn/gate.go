package turn

import (
	"sync/atomic"
	"time"
)

// gate lets so much pass in so much time. It holds the time up to which what has passed is paid for
// (the generic cell rate algorithm), so it is one number and needs no timer.
type gate int64

// pass reports whether something that takes cost to pay for may pass now, when as much as burst may
// be ahead of its time.
func (g *gate) pass(now int64, cost, burst time.Duration) bool {
	paid := max(int64(*g), now-int64(burst)) + int64(cost)
	if paid > now {
		return false
	}
	*g = gate(paid)
	return true
}

// passShared is pass for a gate that several engines have.
func passShared(g *atomic.Int64, now int64, cost, burst time.Duration) bool {
	for {
		old := g.Load()
		own := gate(old)
		if !own.pass(now, cost, burst) {
			return false
		}
		if g.CompareAndSwap(old, int64(own)) {
			return true
		}
	}
}

// price returns how long n of something take that comes at so many per second.
func price(n, perSecond int64) time.Duration {
	if perSecond < int64(time.Second) && n < int64(time.Second) {
		return time.Duration(n * int64(time.Second) / perSecond)
	}
	return time.Duration(float64(n) * float64(time.Second) / float64(perSecond))
}
