package signaling

import (
	"context"
	"errors"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

// progress notes what the client has acknowledged, before more is written. Only flush calls it.
func (l *link) progress(acked int64) {
	if acked != l.progressed || acked >= l.sent.Load() {
		l.progressed, l.owing = acked, time.Since(processStart)
	}
}

// slow says whether the client has acknowledged nothing for too long of what it was sent. It had a
// ping meanwhile, with which it should have.
func (l *link) slow(acked int64) bool {
	return l.confirmed.Load() && acked < l.sent.Load() && time.Since(processStart)-l.owing >= l.server.cfg.Timing.Slow
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
