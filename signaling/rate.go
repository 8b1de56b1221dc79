package signaling

import (
	"math"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/budget"
	"github.com/parley-rtc/parley/signaling/store"
)

// idleRate bounds the messages of one link that come to nothing, in bytes: pings, and frames that were received
// before, are behind a gap or over the rate. A message counts idleOverhead and its length.
var idleRate = budget.Rate{PerSecond: 512 << 10, Burst: 2 << 20}

const idleOverhead = 512

// idleRateOfAddress bounds them for all links of one address, or another link would have another account.
var idleRateOfAddress = budget.Rate{PerSecond: 16 * idleRate.PerSecond, Burst: 16 * idleRate.Burst}

// maxHold bounds how long a link does not ask the store about a frame again. It is less than a client waits at most.
const maxHold = 30 * time.Second

// charge takes a join, or something else that the app's hooks are asked for, from what an address may ask for.
func (s *Server) charge(from netip.Addr) *wire.Error {
	if !from.IsValid() {
		return nil
	}
	account := accountOf(from)
	wait := s.joins.Take(account, 1)
	if wait == 0 {
		return nil
	}
	s.crowded.Do(func() {
		s.log.Warn("an address joins more often than Config.Limits.JoinRate (--join-rate) allows; said once", "from", account.String())
	})
	limits := s.cfg.Limits
	return wire.Refusef(wire.RateLimited, "joins from your address are over %d a second, or %d at once", limits.JoinRate, limits.JoinBurst).
		Over(int64(limits.JoinRate)).After(roundUp(wait))
}

// overRate is what a session is told of a frame that it has to send again.
func (s *Server) overRate(result store.Result) *wire.Error {
	limits := s.cfg.Limits
	refusal := wire.Refusef(wire.RateLimited, "frames are over %d bytes a second, or %d at once, times the peers they reach; send again from received + 1",
		limits.Rate, limits.Burst).Over(int64(limits.Rate)).After(roundUp(result.Wait))
	refusal.Received = &result.Received
	return refusal
}

// roundUp is a time in seconds, to the millisecond.
func roundUp(d time.Duration) float64 { return math.Ceil(d.Seconds()*1000) / 1000 }

// strain is what a client sends too much of, or cannot be stored; most have none.
type strain struct {
	held  int64     // the number that was over the rate, or could not be stored, last
	until time.Time // it is so until then
}

// hold notes that the frame after those received was over the rate, and tells the client when to send it again.
func (l *link) hold(result store.Result) {
	l.holdFrom(result.Received+1, result.Wait, l.server.overRate(result))
}

// holdFrom tells the client to send again from a frame on, after a while.
func (l *link) holdFrom(n int64, wait time.Duration, refusal *wire.Error) {
	l.strain = &strain{n, time.Now().Add(min(wait, maxHold))}
	// What is behind it is a gap, of which nothing more is to be said.
	l.gap, l.told, l.untold = n, n-1, 0
	l.send(wire.Append(nil, wire.ReceivedFrame{
		Kind: wire.KindReceived, N: n - 1, Code: refusal.Code, Message: refusal.Message, RetryAfter: refusal.RetryAfter,
	}))
}

// holds says whether frame n has to wait behind the one that was over the rate: those are still coming in, and the
// store need not be asked. That one itself is tried again whenever it comes, for a client whose clock is a little fast has to be told anew.
func (l *link) holds(n int64) bool {
	st := l.strain
	if st == nil || n < st.held {
		return false
	}
	if n > st.held && time.Now().Before(st.until) {
		return true
	}
	l.strain = nil
	return false
}

// maxProbes is how many links of one session may be tried at a time, on one server.
const maxProbes = 8

// enlist counts a probe; false: its session has as many as it may. s.mu is held.
func (l *link) enlist() bool {
	session := l.ref.Session
	if l.server.probes[session] >= maxProbes {
		return false
	}
	l.server.probes[session]++
	l.enlisted = true
	return true
}

// discharge has a probe no longer count: it is in use, or closed. s.mu is held.
func (l *link) discharge() {
	if !l.enlisted {
		return
	}
	l.enlisted = false
	probes := l.server.probes
	if probes[l.ref.Session]--; probes[l.ref.Session] == 0 {
		delete(probes, l.ref.Session)
	}
}

// wasted is idle for those of some frames that had been received before, or were not taken.
func (l *link) wasted(frames []store.Sent, before, received int64) {
	count, size := 0, 0
	for _, f := range frames {
		if f.N <= before || f.N > received {
			count++
			size += len(f.Data) + len(f.Meta)
		}
	}
	if count > 0 {
		l.idle(count, size)
	}
}

// idle is called for messages that come to nothing. Of too many, the reader takes its time: so
// they cost their sender, and nobody else.
func (l *link) idle(count, size int) {
	size += count * idleOverhead
	for own := false; ; {
		var wait time.Duration
		if !own {
			var account time.Time
			account, wait = idleRate.Take(processStart.Add(l.idled), time.Now(), size)
			l.idled, own = account.Sub(processStart), wait == 0
		}
		if own && l.from.IsValid() {
			wait = l.server.idles.Take(accountOf(l.from), size)
		}
		if wait == 0 {
			return
		}
		select {
		case <-time.After(max(wait, 10*time.Millisecond)):
		case <-l.server.ctx.Done():
			return
		}
	}
}
