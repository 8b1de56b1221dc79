package worker

import (
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// pools are the free port numbers of one address family.
type pools struct {
	udp, tcp *pool
}

// maxTries is how many ports of other programs are passed over before giving up.
const maxTries = 128

// pool knows which ports of a range are free.
type pool struct {
	min, max uint16

	mu   sync.Mutex
	free []uint16 // guarded by mu; in no order
	at   []int    // guarded by mu; of each port in free, by its distance from min; -1: taken
}

func newPool(low, high uint16) *pool {
	p := &pool{min: low, max: high}
	for i := range int(high) - int(low) + 1 {
		p.free = append(p.free, low+uint16(i))
		p.at = append(p.at, i)
	}
	return p
}

// take finds a free port, even and with the next one free too if so wished, that bind can bind. The
// error is [turn.ErrPorts], or what bind says but that the port is in use.
func (p *pool) take(w turn.Wish, bind func(port uint16) error) (uint16, error) {
	port, ok := p.draw(w)
	if !ok {
		return 0, turn.ErrPorts
	}
	err := bind(port) // with no lock held, which other workers may wait for
	if err == nil {
		return port, nil
	}
	p.release(port)
	if w.Pair {
		p.release(port + 1)
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return 0, err
	}
	return p.search(w, bind)
}

// draw takes any free port out of the free ones.
func (p *pool) draw(w turn.Wish) (port uint16, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scan(w, func(free uint16) bool {
		p.remove(free, w)
		port, ok = free, true
		return false
	})
	return port, ok
}

// search tries one free port after the other, since other programs have some.
func (p *pool) search(w turn.Wish, bind func(port uint16) error) (port uint16, failure error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tries := 1
	failure = turn.ErrPorts
	p.scan(w, func(free uint16) bool {
		switch err := bind(free); {
		case err == nil:
			p.remove(free, w)
			port, failure = free, nil
			return false
		case !errors.Is(err, syscall.EADDRINUSE):
			failure = err
			return false
		}
		tries++
		return tries < maxTries
	})
	return port, failure
}

// scan calls f with free ports that fulfil a wish, from any of them on, until it returns false. p.mu is held.
func (p *pool) scan(w turn.Wish, f func(port uint16) bool) {
	size := len(p.free)
	if size == 0 {
		return
	}
	start := rand.IntN(size)
	for i := range size {
		port := p.free[(start+i)%size]
		if w.Even && port%2 != 0 || w.Pair && !p.isFree(int(port)+1) {
			continue
		}
		if !f(port) {
			return
		}
	}
}

func (p *pool) isFree(port int) bool { return port <= int(p.max) && p.at[port-int(p.min)] >= 0 }

// remove takes a port out of the free ones, or a pair. p.mu is held.
func (p *pool) remove(port uint16, w turn.Wish) {
	p.strike(port)
	if w.Pair {
		p.strike(port + 1)
	}
}

func (p *pool) strike(port uint16) {
	i, last := p.at[port-p.min], len(p.free)-1
	moved := p.free[last]
	p.free[i], p.at[moved-p.min] = moved, i
	p.free = p.free[:last]
	p.at[port-p.min] = -1
}

// release gives a port back.
func (p *pool) release(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[port-p.min] = len(p.free)
	p.free = append(p.free, port)
}
