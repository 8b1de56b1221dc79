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
	// mostNaps is how often in a row that is done before other goroutines and sockets get their turn.
	mostNaps = 10
)

// pace knows how fast datagrams come.
type pace struct {
	last time.Time
	gap  time.Duration // between them, lately
}

// note takes note that some have come, at least one.
func (p *pace) note(now time.Time, n int) {
	gap := min(now.Sub(p.last), longGap) / time.Duration(n)
	p.last = now
	p.gap += (gap - p.gap) / 8
}

// fast reports whether so much comes that it is worth a nap.
func (p *pace) fast() bool { return p.gap < shortGap && !p.last.IsZero() }

// nap waits without telling Go's scheduler, which would make more of it than the wait itself: it is too short to hold up anybody.
func nap() {
	t := unix.NsecToTimespec(int64(napTime))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0) // it may be interrupted
}
