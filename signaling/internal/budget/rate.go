// Package budget bounds how much may come in a time: so much a second, and so much at once.
//
// An account is one point in time, that at which all that was taken will have been paid for (the
// generic cell rate algorithm): nothing runs while nothing is taken.
package budget

import "time"

// maxSpan bounds every time that is computed here, so that none can overflow.
const maxSpan = 365 * 24 * time.Hour

// Rate is an amount that may be taken each second, of which Burst may be taken at once.
type Rate struct {
	PerSecond int // 0: without bound
	Burst     int
}

// span is how long it takes to pay for an amount.
func (r Rate) span(amount int) time.Duration {
	seconds := float64(amount) / float64(r.PerSecond)
	if seconds >= maxSpan.Seconds() {
		return maxSpan
	}
	return time.Duration(seconds * float64(time.Second))
}

// Take takes an amount from an account, and returns the account as it is then; the zero time is one
// that nothing was taken from. If it holds too little it stays as it is, and wait says when it will
// hold enough. What is over Burst counts as Burst, or it could never be had.
func (r Rate) Take(account, now time.Time, amount int) (after time.Time, wait time.Duration) {
	if r.PerSecond <= 0 || amount <= 0 {
		return account, 0
	}
	after = account
	if after.Before(now) {
		after = now
	}
	after = after.Add(r.span(min(amount, r.Burst)))
	if wait = after.Sub(now) - r.span(r.Burst); wait > 0 {
		return account, wait
	}
	return after, 0
}
