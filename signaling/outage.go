package signaling

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/schedule"
	"github.com/parley-rtc/parley/signaling/store"
)

const (
	outageLog = 5 * time.Second // between lines in the log about a store that fails
	retryTime = time.Second     // until a link asks a store again that could not be reached, and half as much at random

	rejoinRate = 1000             // sessions a second that are told to join again
	rejoinTime = 30 * time.Second // in which all are, however many
)

// outage keeps the log short while the store cannot be reached: every link and every request finds out.
type outage struct {
	said   atomic.Int64 // when a line was written last, by the process's clock
	untold atomic.Int64 // errors since
}

// storeFailed logs that the store could not be reached.
func (s *Server) storeFailed(err error) {
	if s.ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return // it is the server that ends, or a request whose client has gone
	}
	o := &s.outage
	at, said := int64(now()), o.said.Load()
	if said != 0 && at-said < int64(outageLog) || !o.said.CompareAndSwap(said, at) {
		o.untold.Add(1)
		return
	}
	s.log.Error("store failed", "error", err, "untold", o.untold.Swap(0))
}

// outlives says whether a link goes on after a refusal of the store's: it could not be reached.
func (l *link) outlives(refusal *wire.Error) bool {
	return refusal.Code == wire.Unavailable && l.server.ctx.Err() == nil
}

// retry has a link ask the store again, once that may have come back. Flush owns it.
type retry struct {
	item  *schedule.Item // nil: never needed
	renew bool           // a lease was to be renewed
}

// later has the link read again in a while. Only flush calls it.
func (l *link) later() {
	if l.retry.item == nil {
		l.retry.item = l.server.clock.Item(l.wake)
	}
	l.retry.item.Set(time.Now().Add(retryTime + rand.N(retryTime/2)))
}

// notTaken tells the client that frames could not be handed to the store, and are to be sent again.
func (l *link) notTaken(refusal *wire.Error) {
	wait := retryTime + rand.N(retryTime/2)
	refusal.RetryAfter = roundUp(wait)
	l.holdFrom(l.received+1, wait, refusal)
}

// lost says whether the store has lost a session that it knew: what a client cannot know is lost with it.
func lost(err error) bool {
	return errors.Is(err, store.ErrNoSession) || isEnded(err, string(wire.Rejoin))
}

// lostTo is what a client is told whose session the store lost.
func (s *Server) lostTo() *wire.Error {
	return wire.Refuse(wire.Rejoin).After(roundUp(s.rejoinIn()))
}

// rejoinIn is when a session that is lost is to join again. Those of a server do not come all at once.
func (s *Server) rejoinIn() time.Duration {
	if window := s.rejoins.Load(); window > 0 { // it is this process that ends
		return restartTime + time.Duration(s.turns.next()*float64(window))
	}
	return time.Duration(s.turns.next() * float64(s.rejoinWindow(time.Second)))
}

// rejoinWindow is in what time all sessions of this server are to join again: least, or more if there are many.
func (s *Server) rejoinWindow(least time.Duration) time.Duration {
	count := s.counts.sessions.Sum() + int64(s.between.count())
	return max(min(time.Duration(count)*time.Second/rejoinRate, rejoinTime), least)
}
