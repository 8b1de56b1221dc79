package turn

import (
	"container/heap"
	"time"
)

// schedule is a heap of allocations, the one that is due first on top.
type schedule []*allocation

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].due.Before(s[j].due) }

func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

// Push implements [heap.Interface].
func (s *schedule) Push(x any) {
	a := x.(*allocation)
	a.index = len(*s)
	*s = append(*s, a)
}

// Pop implements [heap.Interface].
func (s *schedule) Pop() any {
	old := *s
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	a.index = -1
	return a
}

// set puts an allocation in its place.
func (s *schedule) set(a *allocation, due time.Time) {
	a.due = due
	if a.index < 0 {
		heap.Push(s, a)
	} else {
		heap.Fix(s, a.index)
	}
}

func (s *schedule) remove(a *allocation) {
	if a.index >= 0 {
		heap.Remove(s, a.index)
	}
}
