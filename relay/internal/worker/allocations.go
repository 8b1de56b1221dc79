package worker

import (
	"cmp"
	"slices"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// entry is an allocation of a worker.
type entry struct {
	w      *Worker
	client turn.Client
	serial uint64
}

// Allocations returns the allocations after that serial number, the first ones made, so many at most.
func (c *Crew) Allocations(after uint64, most int) []turn.Info {
	last := c.shared.Serial() // later ones would hide some that a worker asked before has made meanwhile
	var found []entry
	for _, w := range c.workers {
		w.do(func(e *turn.Engine, _ time.Time) {
			e.Clients(func(c turn.Client, serial uint64) {
				if serial > after && serial <= last {
					found = append(found, entry{w, c, serial})
				}
			})
		})
	}
	slices.SortFunc(found, func(a, b entry) int { return cmp.Compare(a.serial, b.serial) })
	var infos []turn.Info
	for len(found) > 0 && len(infos) < most {
		n := min(len(found), most-len(infos)) // some may have ended
		infos = append(infos, c.infos(found[:n])...)
		found = found[n:]
	}
	return infos
}

// infos returns what is known of allocations, in their order, without those that have ended or that nobody is told of.
func (c *Crew) infos(entries []entry) (infos []turn.Info) {
	for _, w := range c.workers {
		w.do(func(e *turn.Engine, _ time.Time) {
			for _, f := range entries {
				if f.w != w {
					continue
				}
				info, ok := e.Allocation(f.client)
				if ok && info.Serial == f.serial && (info.User != c.cfg.Quiet || info.User == "") {
					infos = append(infos, info)
				}
			}
		})
	}
	slices.SortFunc(infos, func(a, b turn.Info) int { return cmp.Compare(a.Serial, b.Serial) })
	return infos
}
