package worker

import "github.com/parley-rtc/parley/relay/internal/turn"

// Stats are a crew's counters.
type Stats struct {
	turn.Counters
	Drops       map[string]uint64 // the engines' and the workers'
	KernelDrops uint64            // datagrams that a socket had no room for; those of a relay socket are told of with its next one
	Allocations int               // live
	ByWorker    []int             // the same, of each worker
	Listeners   int               // UDP sockets that clients send to
	Connections int               // of clients over TCP, TLS and DTLS, authenticated or not
	Ports       []Ports           // of the families that are relayed
}

// Ports says how many ports of the range are in use.
type Ports struct {
	Network      string // udp or tcp
	Family       turn.Family
	InUse, Range int
}

// Stats returns the counters.
func (c *Crew) Stats() Stats {
	var stats Stats
	for _, w := range c.workers {
		w.addTo(&stats)
	}
	stats.Drops = stats.Counters.Drops()
	for _, w := range c.workers {
		for reason, n := range w.drops.snapshot() {
			stats.Drops[reason] += n
		}
	}
	for i, relays := range c.cfg.Relays {
		if !relays.Bind.IsValid() {
			continue
		}
		family := turn.Family(i + 1)
		stats.Ports = append(stats.Ports, c.pools[i].udp.use("udp", family))
		if c.cfg.Engine.TCP {
			stats.Ports = append(stats.Ports, c.pools[i].tcp.use("tcp", family))
		}
	}
	return stats
}

// addTo adds a worker's counters.
func (w *Worker) addTo(stats *Stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stats.Add(w.engine.Counters())
	stats.Allocations += w.engine.Len()
	stats.ByWorker = append(stats.ByWorker, w.engine.Len())
	stats.Listeners += len(w.listeners)
	stats.Connections += len(w.clients)
	for _, l := range w.listeners {
		w.kernel.Add(uint64(l.socket.Lost()))
	}
	stats.KernelDrops += w.kernel.Load()
}

// use returns how many ports of a pool are taken.
func (p *pool) use(network string, f turn.Family) Ports {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := int(p.max) - int(p.min) + 1
	return Ports{Network: network, Family: f, InUse: size - len(p.free), Range: size}
}
