package signaling

import (
	"sync"
	"time"
)

const (
	slotTime  = idlePoll / 10
	slotCount = 12 // the longest time between two polls, and what is begun at both ends
)

// pollers counts the sessions that are between two short polls: the server knows nothing else of them.
type pollers struct {
	mu    sync.Mutex
	slots [slotCount]int // guarded by mu; polls that are due in each of the next slots of time, by its number
	now   int64          // guarded by mu; the number of the first of them
}

// expect takes note of an answer after which the next poll comes in so long.
func (p *pollers) expect(in time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	p.slots[(p.now+int64(in/slotTime)+1)%slotCount]++
}

// count returns how many are expected; of each session its next poll.
func (p *pollers) count() (all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	for _, n := range p.slots {
		all += n
	}
	return all
}

// turn drops what was due before now. p.mu is held.
func (p *pollers) turn() {
	at := time.Now().UnixNano() / int64(slotTime)
	for i := max(p.now, at-slotCount); i < at; i++ {
		p.slots[i%slotCount] = 0
	}
	p.now = at
}
