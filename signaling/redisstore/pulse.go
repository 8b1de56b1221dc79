package redisstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	beatTime   = time.Second
	silentTime = 3 * time.Second // without an answer, until steps are refused at once
	cutTime    = 5 * time.Second // without an answer, until leases may have run out; LATE in room.lua
	graceTime  = time.Minute     // after which an interruption is no news to a partition any more
	samples    = 16              // partitions whose servers are asked for a sign of life though nobody watches there
)

var processStart = time.Now()

// clock is the process's own, which nobody sets.
func clock() time.Duration { return time.Since(processStart) }

// pulse is when a server answered last.
type pulse struct {
	heard   atomic.Int64 // by the process's clock; 0: never asked
	silent  atomic.Bool  // it was logged
	beating atomic.Bool  // it is asked again and again
}

// answers says whether it is worth asking.
func (u *pulse) answers() bool {
	return !u.beating.Load() || clock()-time.Duration(u.heard.Load()) < silentTime
}

// pulses are those of all servers.
type pulses struct {
	one     pulse        // of all partitions, if there is one server
	silent  atomic.Int32 // how many do not answer: the log has a line for all partitions of a server, and of servers that fail together
	resumed atomic.Int64 // when one answered again after a long silence, by the process's clock; 0: never
}

// hear notes that the server of a partition answered.
func (s *Store) hear(u *pulse) {
	now := clock()
	last := time.Duration(u.heard.Load())
	if u.beating.Load() && now-last > cutTime {
		s.pulses.resumed.Store(int64(now)) // first, for the steps that follow
	}
	if int64(now) > u.heard.Load() {
		u.heard.Store(int64(now))
	}
	if u.silent.CompareAndSwap(true, false) && s.pulses.silent.Add(-1) == 0 {
		s.log.Info("Redis answers again", "silent_for", (now - last).Round(time.Millisecond))
	}
}

// asked returns what a step says of when it was asked: by the server's clock in microseconds, as of the last time that the
// node heard from it; so the script sees both that the node was cut off and that the step itself was held up. Negative: how long
// that is ago, where the server's clock is not known. Told: the step tells of an interruption.
func (s *Store) asked(p *partition) (asked int64, told bool) {
	now := clock()
	if resumed := time.Duration(s.pulses.resumed.Load()); resumed > 0 && now-resumed < graceTime && time.Duration(p.graced.Load()) < resumed {
		return -(cutTime + time.Second).Microseconds(), true
	}
	last := now
	if p.pulse.beating.Load() {
		last = time.Duration(p.pulse.heard.Load())
	}
	if offset := p.offset.Load(); offset != 0 {
		return (last + time.Duration(offset)).Microseconds(), false
	}
	return -(now - last).Microseconds(), false
}

// heard takes in a step's reply, which has the time of the server's clock.
func (p *partition) heard(at time.Duration, told bool, s *Store) {
	now := clock()
	p.offset.Store(int64(at - now))
	if told {
		p.graced.Store(int64(now))
	}
	s.hear(p.pulse)
}

// beat asks servers for a sign of life until the store is closed.
func (s *Store) beat() {
	for s.ctx.Err() == nil {
		wait := beatTime
		if !s.beatOnce() {
			wait = againTime
		}
		select {
		case <-s.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// beatOnce asks every server once; false: not all answered.
func (s *Store) beatOnce() bool {
	ctx, cancel := context.WithTimeout(s.ctx, stepTime)
	defer cancel()
	if !s.spread {
		return s.beaten(&s.pulses.one, s.client.Do(ctx, s.client.B().Ping().Build()).Error())
	}
	var pulses []*pulse
	var commands rueidis.Commands
	for i := range s.partitions {
		p := &s.partitions[i]
		p.mu.Lock()
		listens := p.listener != nil
		p.mu.Unlock()
		if !listens && i%(partitions/samples) != 0 {
			p.pulse.beating.Store(false)
			if p.pulse.silent.CompareAndSwap(true, false) {
				s.pulses.silent.Add(-1)
			}
			continue
		}
		pulses = append(pulses, p.pulse)
		commands = append(commands, s.client.B().Exists().Key(p.pause()).Build())
	}
	all := true
	for i, result := range s.client.DoMulti(ctx, commands...) {
		all = s.beaten(pulses[i], result.Error()) && all
	}
	return all
}

// beaten takes in the answer to a beat.
func (s *Store) beaten(u *pulse, err error) bool {
	if s.ctx.Err() != nil {
		return true
	}
	if err != nil {
		if !u.answers() && u.silent.CompareAndSwap(false, true) && s.pulses.silent.Add(1) == 1 {
			s.log.Error("Redis does not answer", "error", err)
		}
		return false
	}
	if !u.beating.Load() {
		u.heard.Store(int64(clock()))
		u.beating.Store(true)
	}
	s.hear(u)
	return true
}
