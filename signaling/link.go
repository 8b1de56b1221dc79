package signaling

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/schedule"
	"github.com/parley-rtc/parley/signaling/store"
)

const (
	maxRead      = 256 << 10 // bytes read from a mailbox at a time
	maxQueue     = 256       // frames of the link's own that wait to be written
	maxMalformed = 16        // messages that are no frames, before the link is closed
	tellFrames   = 64        // uplink frames, and bytes, after which received is said
	tellBytes    = 256 << 10
	detachTime   = 2 * time.Second
)

// carrier moves frames; each kind of link has one. Write is called by one
// goroutine at a time, the others by any.
type carrier interface {
	Write(frame []byte) error      // within a bounded time
	Close(code int, reason string) // with a word, and has the reader end
	Abort()                        // at once
}

// link is a confirmed link of a session: numbering, acknowledgement, liveness
// and the end of it, whatever carries it. One goroutine reads and calls receive, then
// close; what is to be written is written by flush, on a goroutine that exists
// only while there is something.
type link struct {
	server *Server
	conn   carrier
	kind   string
	ref    store.Ref
	peer   string
	log    *slog.Logger
	fence  int64
	stop   func()         // stops watching
	beat   *schedule.Item // the next heartbeat
	gone   chan struct{}  // closed when the link is

	heard atomic.Int64 // when something came last, in nanoseconds of the process's clock
	sent  atomic.Int64 // downlink frames written, owned by flush
	acked atomic.Int64 // downlink frames that the client has handled

	received  int64 // uplink frames; owned by the reader
	told      int64 // of those, how many the client was told of; owned by the reader
	untold    int   // bytes of the others; owned by the reader
	malformed int   // owned by the reader

	mu       sync.Mutex
	open     bool     // hello is in the queue: guarded by mu, as is all below
	flushing bool     // flush is running
	dirty    bool     // the mailbox may hold something new
	renew    bool     // the lease is to be renewed
	queue    [][]byte // frames of the link's own
	ending   *ending  // set once
	over     bool     // the ending was written, or nothing can be any more
}

// ending is how a link ends: a last frame, if any, and a code.
type ending struct {
	frame any
	code  wire.Code
}

var processStart = time.Now()

// open attaches a link to the session that ref names.
func (s *Server) open(conn carrier, kind string, ref store.Ref, after int64) (*link, *wire.Error) {
	if refusal := s.refusing(); refusal != nil {
		return nil, refusal
	}
	l := &link{server: s, conn: conn, kind: kind, ref: ref, gone: make(chan struct{})}
	l.heard.Store(int64(time.Since(processStart)))
	var err error
	// Watching comes first, so that nothing is missed between here and the first read.
	if l.stop, err = s.store.Watch(s.ctx, ref.Room, ref.Session, l.wake); err != nil {
		return nil, refusalOfStore(err, s.log)
	}
	attached, err := s.store.Attach(s.ctx, ref, store.Link{Kind: kind, After: after})
	if err != nil {
		l.stop()
		return nil, refusalOfStore(err, s.log)
	}
	s.due(ref.Room, attached.Due)
	l.peer, l.fence = attached.Peer, attached.Fence
	l.received, l.told = attached.Received, attached.Received
	l.sent.Store(attached.After)
	l.acked.Store(attached.After)
	l.log = s.log.With("room", ref.Room, "peer", l.peer, "link", kind, "fence", l.fence)
	l.beat = s.clock.Item(l.heartbeat)

	s.mu.Lock()
	if s.state != serving {
		s.mu.Unlock()
		l.stop()
		return nil, wire.Refuse(wire.Draining)
	}
	s.links[l] = struct{}{}
	s.mu.Unlock()

	l.log.Info("link opened")
	s.observe(Event{Kind: LinkOpened, Room: ref.Room, Session: ref.Session, Peer: l.peer, Link: kind})
	l.beat.Set(time.Now().Add(s.cfg.Timing.Heartbeat))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open, l.dirty = true, true
	l.queue = append(l.queue, wire.Append(nil, wire.HelloFrame{
		Kind: wire.KindHello, Link: l.fence, Received: attached.Received,
		At: attached.Tail, Peers: wirePeers(attached.Peers),
	}))
	l.kick()
	return l, nil
}

// close takes the link down after its reader has ended.
func (l *link) close() {
	s := l.server
	l.beat.Stop()
	l.stop()
	l.mu.Lock()
	l.over = true
	var code wire.Code
	if l.ending != nil {
		code = l.ending.code
	}
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), detachTime)
	defer cancel()
	due, err := s.store.Detach(ctx, l.ref, l.fence)
	if err == nil {
		s.due(l.ref.Room, due)
	}
	s.mu.Lock()
	delete(s.links, l)
	s.mu.Unlock()
	close(l.gone)
	l.log.Info("link closed", "code", string(code))
	s.observe(Event{Kind: LinkClosed, Room: l.ref.Room, Session: l.ref.Session, Peer: l.peer, Link: l.kind, Code: string(code)})
}

// wake says that the mailbox may hold something.
func (l *link) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
	l.kick()
}

// send has a frame of the link's own written.
func (l *link) send(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) >= maxQueue {
		l.finishLocked(nil, wire.Stalled)
		return
	}
	l.queue = append(l.queue, frame)
	l.kick()
}

// finish ends the link: with a last frame, and the close code of code. The first call counts.
func (l *link) finish(frame any, code wire.Code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finishLocked(frame, code)
}

func (l *link) finishLocked(frame any, code wire.Code) {
	if l.ending == nil {
		l.ending = &ending{frame, code}
		l.kick()
	}
}

// end tells the client that its session is over; in says when to join again.
func (l *link) end(code wire.Code, in time.Duration) {
	l.finish(wire.EndedFrame{Kind: wire.KindEnded, Code: code, Message: code.Row().Message, In: in.Seconds()}, code)
}

// drain tells the client to open a link elsewhere.
func (l *link) drain() {
	l.finish(wire.DrainFrame{Kind: wire.KindDrain}, wire.Drain)
}

// kick starts flush, if there is reason to and it is not running. l.mu is held.
func (l *link) kick() {
	if !l.open || l.flushing || l.over {
		return
	}
	l.flushing = l.server.start(l.flush)
}

// heartbeat runs on the server's clock.
func (l *link) heartbeat() {
	every := l.server.cfg.Timing.Heartbeat
	silence := time.Since(processStart) - time.Duration(l.heard.Load())
	if silence > 2*every {
		l.finish(nil, wire.Silent)
		return
	}
	l.beat.Set(time.Now().Add(every))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renew = true
	l.kick()
}

// flush writes until there is nothing left to write.
func (l *link) flush() {
	buf := make([]byte, 0, 1024)
	for {
		l.mu.Lock()
		queue, read, renew, end := l.queue, l.dirty, l.renew, l.ending
		if l.over || len(queue) == 0 && !read && !renew && end == nil {
			l.flushing = false
			l.mu.Unlock()
			return
		}
		l.queue, l.dirty, l.renew = nil, false, false
		l.mu.Unlock()

		for _, frame := range queue {
			if !l.write(frame) {
				return
			}
		}
		switch {
		case end != nil:
			l.goodbye(*end)
			return
		case read || renew:
			if buf = l.exchange(buf[:0], renew); buf == nil {
				return
			}
		}
	}
}

// exchange writes what the mailbox holds, and renews the lease with a ping.
// Nil: the link cannot write any more.
func (l *link) exchange(buf []byte, renew bool) []byte {
	s := l.server
	sent := l.sent.Load()
	result, err := s.store.Exchange(s.ctx, l.ref, store.Exchange{
		Ack: min(l.acked.Load(), sent), After: sent, Max: maxRead, Fence: l.fence, Renew: renew,
	})
	switch {
	case err != nil:
		l.fail(err)
		return buf
	case result.Superseded:
		l.finish(wire.BareFrame{Kind: wire.KindSuperseded}, wire.Superseded)
		return buf
	}
	s.due(l.ref.Room, result.Due)
	for _, f := range result.Frames {
		buf = appendFrame(buf[:0], f)
		if !l.write(buf) {
			return nil
		}
		l.sent.Store(f.N)
		s.counts.down.Add(1)
	}
	if l.sent.Load() < result.Tail {
		l.mu.Lock()
		l.dirty = true
		l.mu.Unlock()
	}
	if renew {
		if !l.write(wire.AppendReceived(buf[:0], result.Received)) || !l.write(wire.AppendPing(buf[:0])) {
			return nil
		}
	}
	return buf
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
func (l *link) write(frame []byte) bool {
	err := l.conn.Write(frame)
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
		_ = l.conn.Write(wire.Append(nil, e.frame))
	}
	l.conn.Close(e.code.Row().Close, string(e.code))
}
