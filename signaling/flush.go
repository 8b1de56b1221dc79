package signaling

import (
	"bytes"
	"sync"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

const (
	maxTries   = 8        // rounds of flush without waiting
	keepBuffer = 64 << 10 // larger ones are not kept
)

// buffers are what flush writes from.
type buffers struct{ out, frame []byte }

var bufferPool = sync.Pool{New: func() any { return new(buffers) }}

// flush writes until there is nothing left to write. If it may not wait, it hands over to
// a goroutine as soon as it would have to, or when it is kept busy.
func (l *link) flush(wait bool) {
	b := bufferPool.Get().(*buffers)
	defer func() {
		if cap(b.out) <= keepBuffer && cap(b.frame) <= keepBuffer {
			bufferPool.Put(b)
		}
	}()
	for tries := 0; ; tries++ {
		l.mu.Lock()
		queue, read, ping, alive, end := l.queue, l.dirty, l.ping, l.alive, l.ending
		switch {
		case l.over, len(l.rest) == 0 && len(queue) == 0 && !read && !ping && end == nil:
			l.flushing = false
			l.nothingLeft()
			l.mu.Unlock()
			return
		case !wait && (end != nil || tries == maxTries):
			l.mu.Unlock()
			l.handOver()
			return
		}
		l.queue, l.dirty, l.ping = nil, false, false
		l.mu.Unlock()

		b.out = append(b.out[:0], l.rest...)
		l.rest = nil
		for _, frame := range queue {
			b.out = append(b.out, frame...)
		}
		if end == nil && (read || ping) {
			l.exchange(b, ping, ping && alive)
		}
		switch {
		case !l.write(b.out, wait):
			return
		case end != nil:
			l.goodbye(*end)
			return
		}
		l.delivery.wrote(l.server.counts.delivery)
	}
}

// exchange appends what the mailbox holds, and a ping if one is due, with which it renews the
// lease of a client that is alive.
func (l *link) exchange(b *buffers, ping, alive bool) {
	s := l.server
	sent := l.sent.Load()
	x := store.Exchange{Ack: min(l.acked.Load(), sent), After: sent, Fence: l.fence}
	if l.confirmed.Load() {
		x.Max = maxRead
		// A stream of events hears nothing: its client renews by POST.
		x.Renew = (alive || l.retry.renew) && l.kind == kindWebSocket
	}
	result, err := s.store.Exchange(s.ctx, l.ref, x)
	if err != nil {
		if refusal := s.refusalOf(err); !l.outlives(refusal) {
			l.fail(err, refusal)
			return
		}
		l.retry.renew = x.Renew
		l.later()
		if ping {
			l.debt.pings++
			b.frame = wire.AppendPing(b.frame[:0])
			b.out = l.conn.Append(b.out, 0, b.frame)
		}
		return
	}
	l.retry.renew = false
	switch {
	case result.Superseded:
		l.finish(wire.BareFrame{Kind: wire.KindSuperseded}, wire.Superseded)
		return
	case l.kind == kindEvents && ping && !result.Probing && result.Quiet > 2*s.cfg.Timing.Heartbeat:
		l.finish(nil, wire.Silent)
		return
	}
	l.due(result.Due)
	if ping && l.slow(result.Acked) {
		l.endSlow()
		return
	}
	l.progress(result.Acked)
	if !result.Probing && !l.confirmed.Load() {
		// The client has confirmed the probe, and has what is acknowledged.
		l.sent.Store(result.Acked)
		l.acked.Store(result.Acked)
		l.confirm()
		l.renewICE()
		l.again()
	}
	if n := len(result.Frames); n > 0 {
		// Before they are written, for the acknowledgement may come before that returns.
		l.sent.Store(result.Frames[n-1].N)
		s.counts.sent(result.Frames)
	}
	for _, f := range result.Frames {
		b.frame = appendFrame(b.frame[:0], f)
		b.out = l.conn.Append(b.out, f.N, b.frame)
	}
	if len(result.Frames) > 0 && l.sent.Load() < result.Tail {
		l.again()
	}
	l.delivery.read(len(result.Frames))
	if ping {
		s.counts.mailbox.Observe(float64(result.Tail - result.Acked))
		l.debt.pings++
		b.frame = wire.AppendReceived(b.frame[:0], result.Received)
		b.out = l.conn.Append(b.out, 0, b.frame)
		b.frame = wire.AppendPing(b.frame[:0])
		b.out = l.conn.Append(b.out, 0, b.frame)
	}
}

// again has flush read once more.
func (l *link) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
}

// fail ends the link for what the store said, which the client is told so.
func (l *link) fail(err error, refusal *wire.Error) {
	switch {
	case l.server.ctx.Err() != nil:
		l.conn.Abort()
	case lost(err):
		l.end(wire.Rejoin, l.server.rejoinIn())
	case refusal.Code.Row().Retry() == wire.RetryResume:
		l.finish(nil, refusal.Code) // the session lives
	default:
		l.end(refusal.Code, 0)
	}
}

// write writes b; what it cannot write without waiting, if it may not wait, is handed over. False: flush
// is over here. After a failure nothing more is written, and the reader ends.
func (l *link) write(b []byte, wait bool) bool {
	var err error
	if wait {
		err = l.conn.Write(b)
	} else if b, err = l.conn.Try(b); err == nil && len(b) > 0 {
		l.rest = bytes.Clone(b)
		l.handOver()
		return false
	}
	if err == nil {
		return true
	}
	l.mu.Lock()
	l.over = true
	l.nothingLeft()
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
		_ = l.conn.Write(l.conn.Append(nil, 0, wire.Append(nil, e.frame)))
	}
	l.conn.Close(e.code.Row().Close, string(e.code))
}

// last waits, for a bounded time, until what there is to say to a client that said goodbye is written.
func (l *link) last() {
	l.mu.Lock()
	if !l.flushing || l.over {
		l.mu.Unlock()
		return
	}
	l.written = make(chan struct{})
	written := l.written
	l.mu.Unlock()
	select {
	case <-written:
	case <-time.After(lastTime):
	case <-l.server.ctx.Done():
	}
}

// nothingLeft tells who waits in last. l.mu is held.
func (l *link) nothingLeft() {
	if l.written != nil {
		close(l.written)
		l.written = nil
	}
}
