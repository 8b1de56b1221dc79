// Package schedule runs functions at their times from one goroutine and one
// timer, however many there are: what would be a timer for each link and each room.
package schedule

import (
	"container/heap"
	"sync"
	"time"
)

// Queue holds functions until their time. All methods may be called concurrently.
type Queue struct {
	mu     sync.Mutex
	items  items // guarded by mu
	closed bool  // guarded by mu

	moved chan struct{} // capacity 1: the earliest time is another now
	done  chan struct{} // closed when the goroutine has ended
}

// Item is a place in a queue. Its owner sets it again and again.
type Item struct {
	queue *Queue
	run   func()
	at    time.Time // guarded by queue.mu
	index int       // in the heap, -1: not waiting; guarded by queue.mu
}

// New returns a running queue.
func New() *Queue {
	q := &Queue{moved: make(chan struct{}, 1), done: make(chan struct{})}
	go q.loop()
	return q
}

// Item returns a place for run, which is called on the queue's goroutine and must not block.
func (q *Queue) Item(run func()) *Item {
	return &Item{queue: q, run: run, index: -1}
}

// Set has the item run once at t, instead of at the time set before.
func (i *Item) Set(t time.Time) { i.set(t, false) }

// Sooner has the item run at t, unless it is to run before that.
func (i *Item) Sooner(t time.Time) { i.set(t, true) }

func (i *Item) set(t time.Time, onlySooner bool) {
	q := i.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return
	case i.index < 0:
		i.at = t
		heap.Push(&q.items, i)
	case onlySooner && !t.Before(i.at):
		return
	default:
		i.at = t
		heap.Fix(&q.items, i.index)
	}
	if i.index == 0 {
		q.nudge()
	}
}

// Stop takes the item out. A run that began is not waited for.
func (i *Item) Stop() {
	i.queue.mu.Lock()
	defer i.queue.mu.Unlock()
	if i.index >= 0 {
		heap.Remove(&i.queue.items, i.index)
	}
}

// Close drops everything that waits, and returns when nothing runs any more.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	for _, i := range q.items {
		i.index = -1
	}
	q.items = nil
	q.mu.Unlock()
	q.nudge()
	<-q.done
}

func (q *Queue) nudge() {
	select {
	case q.moved <- struct{}{}:
	default:
	}
}

func (q *Queue) loop() {
	defer close(q.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		run, wait, closed := q.next()
		switch {
		case closed:
			return
		case run != nil:
			run()
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-q.moved:
		}
	}
}

// next takes out what is due, or says how long to wait.
func (q *Queue) next() (run func(), wait time.Duration, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, 0, true
	}
	if len(q.items) == 0 {
		return nil, time.Hour, false
	}
	first := q.items[0]
	if wait := time.Until(first.at); wait > 0 {
		return nil, wait, false
	}
	heap.Pop(&q.items)
	return first.run, 0, false
}

// items is a heap by time.
type items []*Item

func (h items) Len() int           { return len(h) }
func (h items) Less(a, b int) bool { return h[a].at.Before(h[b].at) }
func (h items) Swap(a, b int) {
	h[a], h[b] = h[b], h[a]
	h[a].index, h[b].index = a, b
}

// Push implements heap.Interface.
func (h *items) Push(x any) {
	i := x.(*Item)
	i.index = len(*h)
	*h = append(*h, i)
}

// Pop implements heap.Interface.
func (h *items) Pop() any {
	last := len(*h) - 1
	i := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	i.index = -1
	return i
}
