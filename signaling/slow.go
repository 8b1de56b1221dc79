package signaling

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

// latest is how many times as long a client may acknowledge nothing that answers no pings either, though something comes.
const latest = 4

// debt is what a client has not acknowledged. Flush owns it, but for pongs.
type debt struct {
	acked int64         // downlink frames acknowledged
	since time.Duration // since when no more of those sent were, by the process's clock
	pings int64         // sent
	due   int64         // the first ping after since
	pongs atomic.Int64  // received
}

// progress notes what the client has acknowledged, before more is written. Only flush calls it.
func (l *link) progress(acked int64) {
	if d := &l.debt; acked != d.acked || acked >= l.sent.Load() {
		d.acked, d.since, d.due = acked, time.Since(processStart), d.pings+1
	}
}

// slow says whether the client has acknowledged nothing for too long of what it was sent. It had a
// ping meanwhile, with which it should have. On a WebSocket the acknowledgement may be on its way, behind what the client
// sent before, as long as the answer to that ping is: where the way up is slow, or the server has much to do.
func (l *link) slow(acked int64) bool {
	d := &l.debt
	owed := time.Since(processStart) - d.since
	switch limit := l.server.cfg.Timing.Slow; {
	case !l.confirmed.Load(), acked >= l.sent.Load(), owed < limit:
		return false
	case l.kind == kindWebSocket && d.pongs.Load() < d.due:
		return owed >= latest*limit
	}
	return true
}

// endSlow ends the session of a client that does not read.
func (l *link) endSlow() {
	s := l.server
	ctx, cancel := context.WithTimeout(s.ctx, detachTime)
	defer cancel()
	due, err := s.store.End(ctx, l.ref.Room, l.ref.Session, store.CodeSlow)
	switch {
	case errors.Is(err, store.ErrNoSession): // it has ended otherwise
	case err != nil:
		s.log.Error("cannot end a slow session", l.attributes("error", err)...)
		return // it is tried again with the next ping
	}
	l.due(due)
	ended := &store.EndedError{Code: store.CodeSlow}
	l.fail(ended, s.refusalOf(ended))
}
