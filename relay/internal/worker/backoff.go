package worker

import "time"

// backoff counts failures in a row.
type backoff int

// maxFailures in a row mean that a socket will not recover.
const maxFailures = 10

// wait pauses a little longer after each failure. It returns false when it is time to give up or
// when stop is closed.
func (b *backoff) wait(stop <-chan struct{}) bool {
	if *b++; *b > maxFailures {
		return false
	}
	pause := time.NewTimer(time.Millisecond << *b)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-stop:
		return false
	}
}
