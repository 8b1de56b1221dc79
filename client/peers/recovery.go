package peers

import (
	"time"
)

// health is how a connection is doing.
type health int

const (
	none health = iota // there is none yet
	connecting
	connected
	disconnected
	failed
	gone // the other side closed it
)

// restartLimit is how often one connection is restarted before another one is tried.
const restartLimit = 3

// never is longer than anything is waited for.
const never = time.Duration(1<<63 - 1)

// patience returns how long a state is borne before something is done. Of two peers one is the first to act.
func patience(h health, first bool) time.Duration {
	headStart := 2 * time.Second
	if first {
		headStart = 0
	}
	switch h {
	case none:
		return 2 * headStart
	case connecting:
		return 15*time.Second + headStart
	case disconnected:
		return 1500*time.Millisecond + headStart
	case failed:
		return headStart
	case gone:
		return time.Second + headStart
	}
	return never
}

// spacing returns how long to wait after so many attempts in a row before the next one.
func spacing(attempts int) time.Duration {
	if attempts == 0 {
		return 0
	}
	return min(30*time.Second, 3*time.Second<<min(attempts-1, 10))
}

// renewing says whether the attempt after so many others is to begin another connection: on a living one restarts come first.
func renewing(h health, attempts int) bool {
	return h == none || h == gone || attempts%(restartLimit+1) == restartLimit
}

// after has a func called later, unless cancel is called before.
type after func(delay time.Duration, call func()) (cancel func())

// recovery brings a connection back, patiently and for ever.
type recovery struct {
	after     after
	isFirst   func() bool
	canSignal func() bool // whether the peer can be reached by signaling just now
	restart   func()      // gathers and negotiates again, on the same connection
	renew     func()      // begins another connection, or asks the other side to

	health   health
	attempts int
	last     time.Time // of the attempts; zero: none
	cancel   func()    // nil: nothing is due
	due      time.Time
	blocked  bool // an attempt waits for signaling
}

// update takes note of how the connection is doing.
func (r *recovery) update(h health) {
	if h == r.health {
		return
	}
	r.health = h
	if h == connected {
		r.stop()
		r.attempts, r.last, r.blocked = 0, time.Time{}, false
		return
	}
	r.scheduleIn(patience(h, r.isFirst()))
}

// began takes note that another connection was begun, by whichever side: it gets its time.
func (r *recovery) began() {
	r.stop()
	r.blocked = false
	r.health = connecting
	r.scheduleIn(patience(connecting, r.isFirst()))
}

// signalingIsBack takes note that the peer can be reached by signaling again.
func (r *recovery) signalingIsBack() {
	if r.blocked {
		r.act()
	}
}

// disturbed takes note that something went wrong on the way, and the connection may wait in vain: it acts after a delay.
func (r *recovery) disturbed(delay time.Duration) {
	if r.health != connected {
		r.scheduleIn(delay)
	}
}

func (r *recovery) stop() {
	if r.cancel != nil {
		r.cancel()
		r.cancel = nil
	}
}

// scheduleIn acts after the delay, unless it is to act sooner anyway, and not too soon after the last attempt.
func (r *recovery) scheduleIn(delay time.Duration) {
	now := time.Now()
	due := now.Add(delay)
	if soonest := r.last.Add(spacing(r.attempts)); due.Before(soonest) {
		due = soonest
	}
	if r.cancel != nil && !due.Before(r.due) {
		return
	}
	r.stop()
	r.due = due
	r.cancel = r.after(due.Sub(now), r.act)
}

func (r *recovery) act() {
	r.stop()
	if r.blocked = !r.canSignal(); r.blocked {
		return
	}
	renew := renewing(r.health, r.attempts)
	r.attempts++
	r.last = time.Now()
	r.scheduleIn(spacing(r.attempts))
	if renew {
		r.renew()
	} else {
		r.restart()
	}
}
