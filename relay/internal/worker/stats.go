package worker

import "github.com/parley-rtc/parley/relay/internal/turn"

// Stats are a worker's counters.
type Stats struct {
	turn.Counters
	Drops       map[string]uint64 // the engine's and the worker's
	KernelDrops uint64            // datagrams that a socket had no room for; those of a relay socket are told of with its next one
	Allocations int               // live
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
func (w *Worker) Stats() Stats {
	w.mu.Lock()
	stats := Stats{Counters: w.engine.Counters(), Allocations: w.engine.Len(), Connections: len(w.clients)}
	for _, l := range w.listeners {
		w.kernel.Add(uint64(l.socket.Lost()))
	}
	w.mu.Unlock()
	stats.Drops = stats.Counters.Drops()
	for reason, n := range w.drops.snapshot() {
		stats.Drops[reason] += n
	}
	stats.KernelDrops = w.kernel.Load()
	for i, relays := range w.cfg.Relays {
		if !relays.Bind.IsValid() {
			continue
		}
		family := turn.Family(i + 1)
		stats.Ports = append(stats.Ports, w.pools[i].udp.use("udp", family))
		if w.cfg.Engine.TCP {
			stats.Ports = append(stats.Ports, w.pools[i].tcp.use("tcp", family))
		}
	}
	return stats
}

// use returns how many ports of a pool are taken.
func (p *pool) use(network string, f turn.Family) Ports {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := int(p.max) - int(p.min) + 1
	return Ports{Network: network, Family: f, InUse: size - len(p.free), Range: size}
}
