package worker

import (
	"sync"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// maxQueue is how many bytes may wait for a client that does not read.
const maxQueue = 256 << 10

// queue holds what a connection has not taken yet. Pushing never waits.
type queue struct {
	wake chan struct{} // capacity 1

	mu   sync.Mutex
	buf  []byte // guarded by mu
	ends []int  // guarded by mu; of each packet in buf
	last bool   // guarded by mu; nothing more will come
}

func newQueue() queue { return queue{wake: make(chan struct{}, 1)} }

// push queues a packet, and returns false if there is no room. If it is the first, signal must follow.
func (q *queue) push(p turn.Packet) (first, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.buf)+p.Len() > maxQueue || q.last {
		return false, q.last // then nobody is there to miss it
	}
	q.buf = p.AppendTo(q.buf)
	q.ends = append(q.ends, len(q.buf))
	return len(q.ends) == 1, true
}

// finish says that nothing more will be pushed.
func (q *queue) finish() {
	q.mu.Lock()
	q.last = true
	q.mu.Unlock()
	q.signal()
}

// abandon drops what is queued, and all that will be.
func (q *queue) abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.buf, q.ends, q.last = nil, nil, true
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// spare returns what of the buffers that were taken is worth keeping: it may be long until something is queued again.
func spare(buf []byte, ends []int) ([]byte, []int) {
	if cap(buf) > largeQueue || 8*cap(ends) > largeQueue {
		return nil, nil
	}
	return buf, ends
}

// take exchanges what is queued for empty buffers. It returns false when there will be no more.
func (q *queue) take(buf []byte, ends []int) ([]byte, []int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken, marks := q.buf, q.ends
	q.buf, q.ends = buf[:0], ends[:0]
	if q.last {
		q.signal() // to be told so
	}
	return taken, marks, !q.last || len(taken) > 0
}
