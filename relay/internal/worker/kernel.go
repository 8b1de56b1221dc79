package worker

import (
	"maps"
	"slices"
	"sync"
	"syscall"
)

// kernel counts the datagrams that sockets had no room for.
type kernel struct {
	mu      sync.Mutex
	sockets map[*counted]struct{} // guarded by mu; those that are open
	closed  uint64                // guarded by mu; of those that are not
}

// counted is a socket whose losses are counted.
type counted struct {
	of  *kernel
	raw syscall.RawConn

	mu   sync.Mutex
	last uint32 // guarded by mu; what the system said
	sum  uint64 // guarded by mu; since its 32 bits may wrap
}

// watch begins to count for a socket. Unwatch must follow, before it is closed.
func (k *kernel) watch(socket any) *counted {
	c := &counted{of: k}
	if conn, ok := socket.(syscall.Conn); ok {
		c.raw, _ = conn.SyscallConn() // one that is closed already has nothing to count
	}
	if c.raw == nil || !tellsDrops {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sockets == nil {
		k.sockets = make(map[*counted]struct{})
	}
	k.sockets[c] = struct{}{}
	return c
}

// unwatch keeps what a socket has lost.
func (c *counted) unwatch() {
	if c == nil {
		return
	}
	lost := c.read()
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if _, open := c.of.sockets[c]; open {
		delete(c.of.sockets, c)
		c.of.closed += lost
	}
}

// read returns what a socket has lost so far.
func (c *counted) read() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, ok := socketDrops(c.raw); ok {
		c.sum += uint64(now - c.last)
		c.last = now
	}
	return c.sum
}

// drops returns what all sockets have lost.
func (k *kernel) drops() uint64 {
	k.mu.Lock()
	sum, open := k.closed, slices.Collect(maps.Keys(k.sockets))
	k.mu.Unlock()
	for _, c := range open { // which takes a while if they are many
		sum += c.read()
	}
	return sum
}
