package worker

import (
	"slices"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// atOnce is how many allocations are judged anew before packets are looked at again.
const atOnce = 64

// SetPolicy changes the policy and ends what clients have with peers that it denies. Packets of the others are relayed meanwhile. It
// returns how many permissions ended.
func (c *Crew) SetPolicy(p turn.Policy) (ended int) {
	for _, w := range c.workers {
		w.do(func(e *turn.Engine, _ time.Time) { e.UsePolicy(p) })
	}
	return c.rejudge()
}

// rejudge judges anew what all clients have, and returns how many permissions ended.
func (c *Crew) rejudge() (ended int) {
	for _, w := range c.workers {
		ended += w.rejudge()
	}
	return ended
}

// rejudge judges anew what the worker's clients have.
func (w *Worker) rejudge() (ended int) {
	var clients []turn.Client
	w.do(func(e *turn.Engine, _ time.Time) {
		e.Clients(func(c turn.Client, _ uint64) { clients = append(clients, c) })
	})
	for some := range slices.Chunk(clients, atOnce) {
		w.do(func(e *turn.Engine, _ time.Time) {
			for _, c := range some {
				ended += e.Rejudge(c)
			}
		})
	}
	return ended
}

// watch judges anew what clients have whenever the addresses of this host have changed.
func (c *Crew) watch() {
	ticker := time.NewTicker(c.cfg.Recheck)
	defer ticker.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-ticker.C:
		}
		if !c.cfg.Changed() {
			continue
		}
		ended := c.rejudge()
		c.cfg.Logger.Info("the addresses of this host have changed", "permissions_ended", ended)
	}
}
