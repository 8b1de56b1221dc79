package peers

import (
	"sync"
	"sync/atomic"
)

// budget bounds what waits for one peer and is to go through the server: bytes, and messages as if each had some more. One message may be larger.
type budget struct {
	pipes []*pipe // that share it; fixed before they are written

	mu   sync.Mutex
	used int // guarded by mu
}

func (b *budget) take(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used > 0 && b.used+n+messageCost > highWater {
		return false
	}
	b.used += n + messageCost
	return true
}

func (b *budget) give(n int) {
	b.mu.Lock()
	b.used -= n + messageCost
	b.mu.Unlock()
	for _, p := range b.pipes {
		nudge(p.space)
	}
}

// backlog holds messages of a pipe that wait to go through the server, and knows how many bytes did not arrive yet.
type backlog struct {
	budget *budget
	pump   func() // has more be given away; it may wait for the room's goroutine
	woken  atomic.Bool

	mu      sync.Mutex
	waiting [][]byte // guarded by mu
	pending int      // guarded by mu; bytes that wait or are on their way, and one for each message
	moved   bool     // guarded by mu; what waits goes over a connection, and nothing more is taken
}

// add takes a message, of which it keeps a copy, if there is room. It is past when nothing waits, and nothing more is taken.
func (b *backlog) add(message []byte) (taken, past bool) {
	b.mu.Lock()
	taken = !b.moved && b.budget.take(len(message))
	past = b.moved && len(b.waiting) == 0
	if taken {
		b.waiting = append(b.waiting, append([]byte{}, message...))
		b.pending += len(message) + 1
	}
	b.mu.Unlock()
	if taken {
		b.wake()
	}
	return taken, past
}

// move has what waits go over a connection.
func (b *backlog) move() {
	b.mu.Lock()
	b.moved = true
	b.mu.Unlock()
}

// wake has what waits be looked at.
func (b *backlog) wake() {
	if !b.woken.Swap(true) {
		b.pump()
	}
}

// size is how many bytes are not known to have arrived.
func (b *backlog) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending
}

// next takes the message that is to go through the server next, and says whether it is an envelope; nil: there is none. The room's goroutine
// calls it.
func (p *pipe) next() (message []byte, envelope bool) {
	p.backlog.woken.Store(false)
	if message = p.nextOwn(); message != nil {
		return message, false
	}
	return p.parcels.take(), true
}

func (p *pipe) nextOwn() []byte {
	b := p.backlog
	if p.options.LatestOnly {
		p.latest.mu.Lock()
		message := p.latest.message
		p.latest.message = nil
		p.latest.mu.Unlock()
		if message != nil {
			b.mu.Lock()
			b.pending += len(message) + 1
			b.mu.Unlock()
		}
		return message
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return nil
	}
	message := b.waiting[0]
	b.waiting[0] = nil
	b.waiting = b.waiting[1:]
	return message
}

// back takes a message back that did not go wholly.
func (p *pipe) back(message []byte, envelope bool) {
	if envelope {
		p.parcels.back(message)
		return
	}
	b := p.backlog
	if !p.options.LatestOnly {
		b.mu.Lock()
		b.waiting = append([][]byte{message}, b.waiting...)
		b.mu.Unlock()
		return
	}
	b.mu.Lock()
	b.pending -= len(message) + 1
	b.mu.Unlock()
	p.latest.mu.Lock()
	if p.latest.message == nil {
		p.latest.message = message
	}
	p.latest.mu.Unlock()
	nudge(p.fresh)
}

// delivered takes note that a message of so many bytes needs nothing more done for it.
func (p *pipe) delivered(size int) {
	b := p.backlog
	b.mu.Lock()
	b.pending -= size + 1
	b.mu.Unlock()
	if !p.options.LatestOnly {
		b.budget.give(size)
	}
}

// flush gives what waited to a connection, before anything is written to it.
func (p *pipe) flush() {
	dc, b := p.attached(), p.backlog
	for {
		b.mu.Lock()
		if len(b.waiting) == 0 {
			b.mu.Unlock()
			nudge(p.space)
			return
		}
		message := b.waiting[0]
		b.mu.Unlock()
		if p.send(dc, message, highWater, p.await) != nil {
			return
		}
		b.mu.Lock()
		b.waiting = b.waiting[1:]
		b.mu.Unlock()
		p.delivered(len(message))
	}
}
