package signaling

import (
	"errors"
	"fmt"
	"math"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

// Limits bound what a client may send and what waits for it. Zero fields mean the defaults; a limit
// that should not matter is set to a great number. Addresses are those of [Config].TrustedProxies; of IPv6 a network of
// 64 bits counts as one. Limits of a room hold on all servers that share a Store, those of joins on each.
type Limits struct {
	Frame         int // bytes of one frame; default 65,536, from 1,024 to 245,760
	Broadcast     int // bytes of data in a broadcast; default 8,192, at most Frame
	Name          int // bytes of a peer's name; default 64
	Meta          int // bytes of a peer's meta; default 1,024
	Peers         int // peers in one room; default 64
	PerAddress    int // of those, from one address; default 16
	MailboxFrames int // frames waiting for one session; default 2,048, at least 16
	MailboxBytes  int // bytes waiting for one session; default 1 MiB, at least Frame and 1,024. One sender has at most a quarter of both

	// What one session sends is counted in bytes, 128 for each frame and what is in it, times the peers it reaches.
	Rate  int // bytes a second; default 256 KiB, at least 1,024
	Burst int // bytes at once; default 2 MiB, at least the greatest frame, broadcast and change

	// Joins and refreshes that one address may ask for, admitted or not.
	JoinRate  int // a second; default 32
	JoinBurst int // at once; default 256
}

const (
	maxLimit = min(1<<40, math.MaxInt>>1) // for sums and products of limits not to overflow
	maxFrame = wire.MaxPost - 16<<10      // what a POST can carry, which every client may have to use
)

// Check returns what is wrong with the limits: what [New] would.
func (l Limits) Check() error { return errors.Join(l.resolve()...) }

// resolve fills in the defaults, and returns the faults.
func (l *Limits) resolve() (faults []error) {
	number := func(name string, v *int, def, least, most int) {
		switch {
		case *v == 0:
			*v = def
		case *v < least && most == maxLimit:
			faults = append(faults, fmt.Errorf("%s is %d; it must be at least %d", name, *v, least))
		case *v < least || *v > most:
			faults = append(faults, fmt.Errorf("%s is %d; it must be from %d to %d", name, *v, least, most))
		}
	}
	number("Limits.Frame", &l.Frame, 64<<10, 1<<10, maxFrame)
	number("Limits.Broadcast", &l.Broadcast, min(8<<10, l.Frame), 1, maxLimit)
	number("Limits.Name", &l.Name, 64, 1, maxLimit)
	number("Limits.Meta", &l.Meta, 1<<10, 1, maxLimit)
	number("Limits.Peers", &l.Peers, 64, 1, maxLimit)
	number("Limits.PerAddress", &l.PerAddress, 16, 1, maxLimit)
	number("Limits.MailboxFrames", &l.MailboxFrames, 2048, 16, maxLimit)
	number("Limits.MailboxBytes", &l.MailboxBytes, 1<<20, l.Frame+1024, maxLimit)
	number("Limits.Rate", &l.Rate, 256<<10, 1<<10, maxLimit)
	number("Limits.JoinRate", &l.JoinRate, 32, 1, maxLimit)
	number("Limits.JoinBurst", &l.JoinBurst, 256, 1, maxLimit)
	if len(faults) > 0 {
		return faults // the others depend on these
	}
	if l.Broadcast > l.Frame {
		faults = append(faults, fmt.Errorf("Limits.Broadcast is %d; it must not be above Limits.Frame, %d", l.Broadcast, l.Frame))
	}
	if l.Name+l.Meta > l.MailboxBytes/8 {
		faults = append(faults, fmt.Errorf("Limits.Name and Limits.Meta together are above an eighth of Limits.MailboxBytes, %d", l.MailboxBytes))
		return faults
	}
	reach := min(max(l.Peers-1, 1), 1<<20)
	greatest := max(l.Frame+store.Overhead, reach*(max(l.Broadcast, l.Name+l.Meta)+store.Overhead))
	if l.Burst != 0 && l.Burst < greatest {
		return append(faults, fmt.Errorf("Limits.Burst is %d; it must be at least %d, which the greatest frame to a full room counts", l.Burst, greatest))
	}
	number("Limits.Burst", &l.Burst, max(2<<20, greatest), 1, maxLimit)
	return faults
}

func (l Limits) wire() wire.Limits { return wire.Limits(l) }
