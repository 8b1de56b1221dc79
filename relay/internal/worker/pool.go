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
	p.mu.Lock()
	defer p.mu.Unlock()
	size := len(p.free)
	if size == 0 {
		return 0, turn.ErrPorts
	}
	start := rand.IntN(size)
	tries := 0
	for i := range size {
		port := p.free[(start+i)%size]
		if w.Even && port%2 != 0 || w.Pair && !p.isFree(int(port)+1) {
			continue
		}
		switch err := bind(port); {
		case err == nil:
			p.remove(port)
			if w.Pair {
				p.remove(port + 1)
			}
			return port, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return 0, err
		}
		if tries++; tries == maxTries {
			break
		}
	}
	return 0, turn.ErrPorts
}

func (p *pool) isFree(port int) bool { return port <= int(p.max) && p.at[port-int(p.min)] >= 0 }

// remove takes a port out of the free ones.
func (p *pool) remove(port uint16) {
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
