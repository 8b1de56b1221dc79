package peers

import (
	"slices"
	"sync"
)

// lostMost is how many channels wait for Accept that have ended and still hold something to read.
const lostMost = 64

// lobby holds the channels that are open and that nobody has taken yet.
type lobby struct {
	mu       sync.Mutex
	channels []*Channel    // guarded by mu
	arrived  chan struct{} // capacity 1
}

func (l *lobby) add(c *Channel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := 0
	for i, o := range slices.Backward(l.channels) {
		if isClosed(o.pipe.ended) {
			if lost++; lost > lostMost || !o.holds() {
				l.channels = slices.Delete(l.channels, i, i+1)
			}
		}
	}
	if !c.taken {
		l.channels = append(l.channels, c)
		nudge(l.arrived)
	}
}

// replace has a channel wait in place of another one, of which nothing is kept if nobody has taken it.
func (l *lobby) replace(before, next *Channel) {
	l.mu.Lock()
	if !before.taken {
		l.channels = slices.DeleteFunc(l.channels, func(o *Channel) bool { return o == before })
		before.mu.Lock()
		before.messages, before.bytes = nil, 0
		before.mu.Unlock()
	}
	l.mu.Unlock()
	l.add(next)
}

// take takes a channel that was got otherwise.
func (l *lobby) take(c *Channel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.taken = true
	l.channels = slices.DeleteFunc(l.channels, func(o *Channel) bool { return o == c })
}

// next takes the channel that has waited longest; nil: there is none.
func (l *lobby) next() *Channel {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.channels) > 0 {
		c := l.channels[0]
		l.channels = slices.Delete(l.channels, 0, 1)
		if c.taken = true; !isClosed(c.pipe.ended) || c.holds() {
			if len(l.channels) > 0 {
				nudge(l.arrived) // for another who waits
			}
			return c
		}
	}
	return nil
}
