package schedule

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// run gives a queue, and a function that returns an item which records its runs.
func run(t *testing.T, f func(t *testing.T, q *Queue, item func(name string) *Item, ran func() string)) {
	synctest.Test(t, func(t *testing.T) {
		q := New()
		defer q.Close()
		start := time.Now()
		var log atomic.Value
		log.Store("")
		item := func(name string) *Item {
			return q.Item(func() {
				log.Store(log.Load().(string) + fmt.Sprintf("%s@%v ", name, time.Since(start)))
			})
		}
		f(t, q, item, func() string {
			synctest.Wait()
			return log.Load().(string)
		})
	})
}

func TestItemsRunAtTheirTimes(t *testing.T) {
	run(t, func(t *testing.T, q *Queue, item func(string) *Item, ran func() string) {
		now := time.Now()
		for _, s := range []int{5, 1, 9, 3, 7} {
			item(fmt.Sprint(s)).Set(now.Add(time.Duration(s) * time.Second))
		}
		time.Sleep(4 * time.Second)
		if got, want := ran(), "1@1s 3@3s "; got != want {
			t.Errorf("after 4 s: got %q, want %q", got, want)
		}
		time.Sleep(time.Minute)
		if got, want := ran(), "1@1s 3@3s 5@5s 7@7s 9@9s "; got != want {
			t.Errorf("at last: got %q, want %q", got, want)
		}
	})
}

func TestAnItemCanBeSetAgain(t *testing.T) {
	run(t, func(t *testing.T, q *Queue, item func(string) *Item, ran func() string) {
		now := time.Now()
		later, sooner, kept, stopped, past := item("later"), item("sooner"), item("kept"), item("stopped"), item("past")
		later.Set(now.Add(time.Second))
		later.Set(now.Add(4 * time.Second))
		sooner.Set(now.Add(time.Hour))
		sooner.Sooner(now.Add(2 * time.Second))
		kept.Set(now.Add(3 * time.Second))
		kept.Sooner(now.Add(time.Hour))
		stopped.Set(now.Add(time.Second))
		stopped.Stop()
		stopped.Stop()
		past.Set(now.Add(-time.Second))
		time.Sleep(5 * time.Second)
		if got, want := ran(), "past@0s sooner@2s kept@3s later@4s "; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		kept.Set(time.Now().Add(time.Second))
		time.Sleep(2 * time.Second)
		if got, want := ran(), "past@0s sooner@2s kept@3s later@4s kept@6s "; got != want {
			t.Errorf("set after it ran: got %q, want %q", got, want)
		}
	})
}

func TestAClosedQueueRunsNothing(t *testing.T) {
	run(t, func(t *testing.T, q *Queue, item func(string) *Item, ran func() string) {
		i := item("never")
		i.Set(time.Now().Add(time.Second))
		q.Close()
		i.Set(time.Now().Add(time.Second))
		i.Stop()
		time.Sleep(time.Minute)
		if got := ran(); got != "" {
			t.Errorf("got %q", got)
		}
	})
}
