//go:build amd64 || arm64

package packet

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// napTime is how long is waited for more where much comes, as network cards do before they interrupt. The system may make
	// twice as much of it.
	napTime = 50 * time.Microsecond
	// shortGap is how close datagrams follow each other where that saves more than it costs.
	shortGap = 50 * time.Microsecond
	// longGap is the longest that counts: so little is needed to be fast again.
	longGap = time.Millisecond
	// goodLuck is the share of naps, in percent, after which something must have come lately for another to be worth it. What comes
	// in bursts may come fast, and yet leave nothing to wait for.
	goodLuck = 50
	// luckless is how many naps are left out then until one is tried again.
	luckless = 64
	// mostNaps is how often in a row that is done before other goroutines and sockets get their turn.
	mostNaps = 10
)

// pace knows how fast datagrams come, and what came of naps.
type pace struct {
	last    time.Time
	gap     time.Duration // between them, lately
	bad     int           // percent of naps, lately, after which nothing had come
	leftOut int           // naps that were not taken for that
}

// note takes note that some have come, at least one.
func (p *pace) note(now time.Time, n int) {
	gap := min(now.Sub(p.last), longGap) / time.Duration(n)
	p.last = now
	p.gap += (gap - p.gap) / 8
}

// fast reports whether so much comes that it is worth a nap.
func (p *pace) fast() bool { return p.gap < shortGap && !p.last.IsZero() }

// napped takes note of whether something had come after a nap.
func (p *pace) napped(came bool) {
	now := 100
	if came {
		now = 0
	}
	p.bad += (now - p.bad) / 8
}

// worthNap reports whether a nap will probably save more than it costs.
func (p *pace) worthNap() bool {
	if !p.fast() {
		return false
	}
	if p.bad <= 100-goodLuck {
		return true
	}
	p.leftOut++
	if p.leftOut < luckless {
		return false
	}
	p.leftOut = 0
	return true
}

// nap waits without telling Go's scheduler, which would make more of it than the wait itself: it is too short to hold up anybody.
func nap() {
	t := unix.NsecToTimespec(int64(napTime))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0) // it may be interrupted
}
