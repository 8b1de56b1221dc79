//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/dialect"
	"github.com/parley-rtc/parley/bench/internal/gauge"
)

// setup is where rooms are, and how many nodes serve them.
type setup string

const (
	inMemory setup = "memory"         // one node, rooms in its memory
	oneNode  setup = "Redis"          // one node, rooms in Redis
	twoNodes setup = "Redis, 2 nodes" // the two of a pair are on different nodes
	setups         = 3
)

var allSetups = [setups]setup{inMemory, oneNode, twoNodes}

func (s setup) nodes() int {
	if s == twoNodes {
		return 2
	}
	return 1
}

// site is a running setup.
type site struct {
	nodes []*contender.Process
	redis *contender.Process // nil: rooms are in memory
}

// start starts what a setup needs, afresh.
func (b *bench) start(ctx context.Context, what setup, heartbeat time.Duration) (*site, error) {
	s := new(site)
	var more []string
	if what != inMemory {
		redis, err := b.field.Redis(ctx)
		if err != nil {
			return nil, err
		}
		s.redis = redis
		more = []string{"-redis", "redis://" + redis.Address}
	}
	for range what.nodes() {
		node, err := b.field.Start(ctx, contender.Parley, heartbeat, more...)
		if err != nil {
			s.stop()
			return nil, err
		}
		s.nodes = append(s.nodes, node)
	}
	return s, nil
}

func (s *site) stop() {
	for _, node := range s.nodes {
		node.Stop()
	}
	if s.redis != nil {
		s.redis.Stop()
	}
}

// running returns an error if something has ended that should not have.
func (s *site) running() error {
	var faults []error
	for _, node := range s.nodes {
		faults = append(faults, node.Running())
	}
	if s.redis != nil {
		faults = append(faults, s.redis.Running())
	}
	return errors.Join(faults...)
}

// place is where client i goes: there are two in each room, and they take turns at the nodes.
func (s *site) place(i int) dialect.Place {
	return dialect.Place{Address: s.nodes[i%len(s.nodes)].Address, Room: fmt.Sprintf("room-%06d", i/2), Peer: fmt.Sprintf("peer-%06d", i), Buffer: 512}
}

// spent is what something cost.
type spent struct {
	nodes, redis time.Duration // CPU time
	self         time.Duration // of the generator
	took         time.Duration
	asked        int // commands that nodes sent to Redis, without their signs of life
	scripts      int // of them
}

// reading is what was used so far.
type reading struct {
	spent
	at time.Time
}

func (s *site) read() (r reading, err error) {
	if s.redis != nil {
		// First, so that what this costs itself is not counted before, but counted once in between.
		if r.asked, r.scripts, err = commands(s.redis.Address); err != nil {
			return r, err
		}
		if r.redis, err = s.redis.CPU(); err != nil {
			return r, err
		}
	}
	for _, node := range s.nodes {
		used, err := node.CPU()
		if err != nil {
			return r, err
		}
		r.nodes += used
	}
	r.self, err = gauge.CPU(os.Getpid())
	r.at = time.Now()
	return r, err
}

// since is what was spent between two readings.
func (r reading) since(before reading) spent {
	return spent{r.nodes - before.nodes, r.redis - before.redis, r.self - before.self, r.at.Sub(before.at), r.asked - before.asked, r.scripts - before.scripts}
}

// nodesMeter reads the CPU time of all nodes.
type nodesMeter struct{ *site }

func (m nodesMeter) CPU() (sum time.Duration, err error) {
	for _, node := range m.nodes {
		used, err := node.CPU()
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// redisMeter reads the CPU time of Redis.
type redisMeter struct{ *site }

func (m redisMeter) CPU() (time.Duration, error) {
	if m.redis == nil {
		return 0, nil
	}
	return m.redis.CPU()
}

// scriptMeter counts scripts, a microsecond each.
type scriptMeter struct{ *site }

func (m scriptMeter) CPU() (time.Duration, error) {
	if m.redis == nil {
		return 0, nil
	}
	_, scripts, err := commands(m.redis.Address)
	return time.Duration(scripts) * time.Microsecond, err
}
