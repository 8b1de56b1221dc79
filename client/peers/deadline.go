package peers

import (
	"sync"
	"time"
)

// deadline is a time that may be set again and again, and waited for.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer   // guarded by mu; nil: none is to come
	passed chan struct{} // guarded by mu; closed when it has passed; nil: never asked for
}

// set sets the time; the zero time is never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		d.passed = nil // it closes this one, or did
	}
	d.timer = nil
	if d.passed != nil && isClosed(d.passed) {
		d.passed = nil
	}
	if t.IsZero() {
		return
	}
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	passed := d.passed
	if left := time.Until(t); left > 0 {
		d.timer = time.AfterFunc(left, func() { close(passed) })
	} else {
		close(passed)
	}
}

// wait returns what is closed when the time has passed.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
