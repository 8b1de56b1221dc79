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
func (w *Worker) SetPolicy(p turn.Policy) (ended int) {
	var clients []turn.Client
	w.do(func(e *turn.Engine, _ time.Time) {
		e.UsePolicy(p)
		e.Clients(func(c turn.Client, _ uint64) { clients = append(clients, c) })
	})
	return w.rejudge(clients)
}

// rejudge judges anew what some clients have.
func (w *Worker) rejudge(clients []turn.Client) (ended int) {
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
func (w *Worker) watch() {
	ticker := time.NewTicker(w.cfg.Recheck)
	defer ticker.Stop()
	for {
		select {
		case <-w.done:
			return
		case <-ticker.C:
		}
		if !w.cfg.Changed() {
			continue
		}
		var clients []turn.Client
		w.do(func(e *turn.Engine, _ time.Time) {
			e.Clients(func(c turn.Client, _ uint64) { clients = append(clients, c) })
		})
		ended := w.rejudge(clients)
		w.cfg.Logger.Info("the addresses of this host have changed", "permissions_ended", ended)
	}
}
