package signaling

import (
	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

// flush writes until there is nothing left to write.
func (l *link) flush() {
	buf := make([]byte, 0, 1024)
	for {
		l.mu.Lock()
		queue, read, ping, alive, end := l.queue, l.dirty, l.ping, l.alive, l.ending
		if l.over || len(queue) == 0 && !read && !ping && end == nil {
			l.flushing = false
			l.mu.Unlock()
			return
		}
		l.queue, l.dirty, l.ping = nil, false, false
		l.mu.Unlock()

		for _, frame := range queue {
			if !l.write(0, frame) {
				return
			}
		}
		switch {
		case end != nil:
			l.goodbye(*end)
			return
		case read || ping:
			if buf = l.exchange(buf[:0], ping, ping && alive); buf == nil {
				return
			}
		}
	}
}

// exchange writes what the mailbox holds, and a ping if one is due, with which it renews the
// lease of a client that is alive. Nil: the link cannot write any more.
func (l *link) exchange(buf []byte, ping, alive bool) []byte {
	s := l.server
	sent := l.sent.Load()
	x := store.Exchange{Ack: min(l.acked.Load(), sent), After: sent, Fence: l.fence}
	if l.confirmed.Load() {
		x.Max = maxRead
		// A stream of events hears nothing: its client renews by POST.
		x.Renew = alive && l.kind == kindWebSocket
	}
	result, err := s.store.Exchange(s.ctx, l.ref, x)
	switch {
	case err != nil:
		l.fail(err)
		return buf
	case result.Superseded:
		l.finish(wire.BareFrame{Kind: wire.KindSuperseded}, wire.Superseded)
		return buf
	case l.kind == kindEvents && ping && !result.Probing && result.Quiet > 2*s.cfg.Timing.Heartbeat:
		l.finish(nil, wire.Silent)
		return buf
	}
	s.due(l.ref.Room, result.Due)
	if !result.Probing && !l.confirmed.Load() {
		// The client has confirmed the probe, and has what is acknowledged.
		l.sent.Store(result.Acked)
		l.acked.Store(result.Acked)
		l.confirm()
		l.again()
	}
	for _, f := range result.Frames {
		buf = appendFrame(buf[:0], f)
		l.sent.Store(f.N) // first, for the acknowledgement may come before the write returns
		if !l.write(f.N, buf) {
			return nil
		}
		s.counts.down.Add(1)
	}
	if len(result.Frames) > 0 && l.sent.Load() < result.Tail {
		l.again()
	}
	if ping && (!l.write(0, wire.AppendReceived(buf[:0], result.Received)) || !l.write(0, wire.AppendPing(buf[:0]))) {
		return nil
	}
	return buf
}

// again has flush read once more.
func (l *link) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
}

// fail ends the link for what the store said.
func (l *link) fail(err error) {
	refusal := refusalOfStore(err, l.log)
	if l.server.ctx.Err() != nil {
		l.conn.Abort()
		return
	}
	if refusal.Code.Row().Retry() == wire.RetryResume {
		l.finish(nil, refusal.Code) // the session lives
		return
	}
	l.end(refusal.Code, 0)
}

// write sends one frame; after a failure nothing more is written, and the reader ends.
func (l *link) write(n int64, frame []byte) bool {
	err := l.conn.Write(n, frame)
	if err == nil {
		return true
	}
	l.mu.Lock()
	l.over = true
	if l.ending == nil {
		l.ending = &ending{code: wire.Stalled}
	}
	l.mu.Unlock()
	l.conn.Abort()
	return false
}

// goodbye writes the last of the link.
func (l *link) goodbye(e ending) {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	if e.frame != nil {
		// If the client cannot be told, it finds out by itself.
		_ = l.conn.Write(0, wire.Append(nil, e.frame))
	}
	l.conn.Close(e.code.Row().Close, string(e.code))
}
