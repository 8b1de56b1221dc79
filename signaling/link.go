package signaling

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
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
	lastTime     = 2 * time.Second  // to answer a client's goodbye
	probeTime    = 30 * time.Second // for a probe to be confirmed
	commentTime  = 15 * time.Second // between signs of life on a stream of events, for what is in its way
)

// The kinds of links.
const (
	kindWebSocket = "websocket"
	kindEvents    = "events"
	kindPoll      = "poll"
)

// carrier moves frames; each kind of link has one. Try and Write are called by one
// goroutine at a time, the others by any.
type carrier interface {
	// Append appends a frame as this kind of link carries it. N is 0 for one without a number; an
	// empty frame is a sign of life, where the kind of link needs one.
	Append(b []byte, n int64, frame []byte) []byte

	Try(b []byte) (rest []byte, err error) // writes what it can without waiting
	Write(b []byte) error                  // within a bounded time
	Close(code int, reason string)         // with a word, and has the reader end
	Abort()                                // at once
}

// terms are what a link is opened for.
type terms struct {
	kind  string
	ref   store.Ref
	after int64 // −1: the last frame acknowledged
	probe bool
	from  netip.Addr // the client's address
}

// link is a stream of frames to a client: numbering, acknowledgement, liveness
// and the end of it, whatever carries it. One goroutine reads, and calls receive and then
// close. What is to be written is written by flush, at once by whoever has it as long as that needs no
// waiting, and otherwise on a goroutine that exists only while there is something.
type link struct {
	server *Server
	conn   carrier
	terms
	peer   string
	fence  int64
	stop   func()         // stops watching
	beat   *schedule.Item // the next heartbeat
	gone   chan struct{}  // closed when the link is
	opened time.Time

	heard     atomic.Int64 // when something came last, in nanoseconds of the process's clock
	sent      atomic.Int64 // downlink frames written, owned by flush
	acked     atomic.Int64 // downlink frames that the client has handled
	confirmed atomic.Bool  // it is in use; set by flush, with mu held and not when it is over

	sweep atomic.Pointer[sweep] // the room's; nil: not known

	received  int64         // uplink frames; owned by the reader
	told      int64         // of those, how many the client was told of; owned by the reader
	untold    int           // bytes of the others; owned by the reader
	malformed int           // owned by the reader
	batch     *batch        // read and not yet handed to the store; nil: nothing; owned by the reader
	gap       int64         // the number that a gap was said to begin with last; owned by the reader
	strain    *strain       // what it sends too much of; nil: nothing; owned by the reader
	idled     time.Duration // the account of what came to nothing, by the process's clock; owned by the reader

	debt     debt
	enlisted bool // as a probe; guarded by server.mu

	pinged time.Time // when the last ping was due; owned by heartbeat
	rest   []byte    // what could not be written at once; owned by flush

	renewal            // of ICE servers
	delivery stopwatch // of some frames
	retry    retry     // of a store that could not be reached
	move     move      // to another link

	mu       sync.Mutex
	open     bool     // hello is in the queue: guarded by mu, as is all below
	flushing bool     // flush is running
	dirty    bool     // the mailbox may hold something new
	ping     bool     // a ping is due
	alive    bool     // the client has spoken since the ping before
	queue    [][]byte // frames of the link's own, as they are carried
	ending   *ending  // set once
	over     bool     // the ending was written, or nothing can be any more

	written chan struct{} // closed, if somebody waits for it, when flush has nothing left to write
}

// ending is how a link ends: a last frame, if any, and a code.
type ending struct {
	frame any
	code  wire.Code
}

var processStart = time.Now()

// open attaches a link to its session.
func (s *Server) open(conn carrier, t terms) (*link, *wire.Error) {
	if refusal := s.refusing(); refusal != nil {
		return nil, refusal
	}
	// The names are parts of the request's line, which they would keep.
	t.ref.Room, t.ref.Session = strings.Clone(t.ref.Room), strings.Clone(t.ref.Session)
	l := &link{server: s, conn: conn, terms: t, gone: make(chan struct{}), opened: time.Now()}
	l.pinged = l.opened
	l.heard.Store(int64(time.Since(processStart)))
	var err error
	// Watching comes first, so that nothing is missed between here and the first read.
	if l.stop, err = s.store.Watch(s.ctx, t.ref.Room, t.ref.Session, l.wake); err != nil {
		return nil, s.refusalOf(err)
	}
	attached, err := s.store.Attach(s.ctx, t.ref, store.Link{Kind: t.kind, Probe: t.probe, After: t.after})
	if err != nil {
		l.stop()
		return nil, s.refusalOf(err)
	}
	l.due(attached.Due)
	s.counts.linked(attached, t.kind)
	l.peer, l.fence = attached.Peer, attached.Fence
	l.received, l.told = attached.Received, attached.Received
	l.sent.Store(attached.After)
	l.acked.Store(attached.After)
	l.beat = s.clock.Item(l.heartbeat)

	s.mu.Lock()
	if s.state != serving {
		s.mu.Unlock()
		l.stop()
		return nil, wire.Refuse(wire.Draining)
	}
	if t.probe && !l.enlist() {
		s.mu.Unlock()
		l.stop()
		return nil, wire.Refusef(wire.RateLimited, "the session tries %d links already", maxProbes).Over(maxProbes).After(1)
	}
	s.links[l] = struct{}{}
	l.iceAt.Store(int64(s.firstRenewal(attached.Owner))) // here, so that RenewICE either finds the link or has said before that servers changed
	l.ages()
	s.mu.Unlock()

	if !t.probe {
		l.confirm()
	}
	l.beatAt(l.opened.Add(l.beatTime()))
	hello := conn.Append(nil, 0, wire.AppendHello(nil, l.fence, attached.Received, attached.Tail, wirePeers(attached.Peers)))
	l.tell(func() {
		l.open, l.dirty = true, true
		l.queue = slices.Insert(l.queue, 0, hello) // the first: until it is open, nothing else is sent
	})
	l.renewICE() // behind hello
	return l, nil
}

// attributes name the link in the log, followed by more.
func (l *link) attributes(more ...any) []any {
	return append([]any{"room", l.ref.Room, "peer", l.peer, "link", l.kind, "number", l.fence}, more...)
}

// confirm notes that the link is in use. One that ended before is not counted any more.
func (l *link) confirm() {
	l.mu.Lock()
	ended := l.over
	l.confirmed.Store(!ended)
	l.mu.Unlock()
	if ended {
		return
	}
	l.server.counts.sessions.Add(l.kind, 1)
	if log := l.server.log; log.Enabled(l.server.ctx, slog.LevelDebug) {
		log.Debug("link opened", l.attributes()...)
	}
	l.server.mu.Lock()
	l.discharge()
	l.server.mu.Unlock()
	l.observe(LinkOpened, "")
}

func (l *link) observe(kind EventKind, code wire.Code) {
	l.server.observe(Event{Kind: kind, Room: l.ref.Room, Session: l.ref.Session, Peer: l.peer, Link: l.kind, Code: string(code)})
}

// due has the room looked at when something in it is due.
func (l *link) due(in store.Due) {
	w := l.sweep.Load()
	if !w.covers(in) {
		w = l.server.look(l.ref.Room, in)
		l.sweep.Store(w)
	}
	w.use()
}

// close takes the link down after its reader has ended.
func (l *link) close() {
	s := l.server
	l.stop()
	l.mu.Lock()
	l.over = true
	var code wire.Code
	if l.ending != nil {
		code = l.ending.code
	}
	l.mu.Unlock()
	l.beat.Stop() // one that runs now sees that it is over

	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), detachTime)
	defer cancel()
	due, err := s.store.Detach(ctx, l.ref, l.fence)
	if err == nil {
		l.due(due)
	}
	s.mu.Lock()
	delete(s.links, l)
	if l.move.item != nil {
		l.move.item.Stop()
	}
	l.discharge()
	s.mu.Unlock()
	close(l.gone)
	if l.confirmed.Load() {
		s.counts.sessions.Add(l.kind, -1)
		if log := s.log; log.Enabled(s.ctx, slog.LevelDebug) {
			log.Debug("link closed", l.attributes("code", string(code))...)
		}
		l.observe(LinkClosed, code)
	}
}

// tell changes, with the lock held, what there is to do, and has it done.
func (l *link) tell(change func()) {
	l.mu.Lock()
	change()
	start := l.open && !l.flushing && !l.over
	l.flushing = l.flushing || start
	l.mu.Unlock()
	switch {
	case !start:
	case l.server.own:
		l.flush(false) // rooms in memory answer at once
	default:
		l.handOver()
	}
}

// handOver has flush go on where it may wait.
func (l *link) handOver() {
	// When the server is closed, so is the link.
	_ = l.server.start(func() { l.flush(true) })
}

// wake says that the mailbox may hold something.
func (l *link) wake() {
	l.tell(func() {
		l.dirty = true
		l.delivery.woken()
	})
}

// send has a frame of the link's own written.
func (l *link) send(frame []byte) { l.carry(l.conn.Append(nil, 0, frame)) }

// carry has something written that is as it is to be carried.
func (l *link) carry(b []byte) {
	l.tell(func() {
		if len(l.queue) >= maxQueue {
			l.finishLocked(nil, wire.Stalled)
			return
		}
		l.queue = append(l.queue, b)
	})
}

// finish ends the link: with a last frame, and the close code of code. The first call counts.
func (l *link) finish(frame any, code wire.Code) {
	l.tell(func() { l.finishLocked(frame, code) })
}

func (l *link) finishLocked(frame any, code wire.Code) {
	if l.ending == nil {
		l.ending = &ending{frame, code}
	}
}

// end tells the client that its session is over; in says when to join again.
func (l *link) end(code wire.Code, in time.Duration) {
	l.finish(wire.EndedFrame{Kind: wire.KindEnded, Code: code, Message: code.Row().Message, In: in.Seconds()}, code)
}

// turnAway tells the client of a link that could not be opened why, and closes it.
func (s *Server) turnAway(conn carrier, refusal *wire.Error) {
	s.counts.refuse(refusal.Code)
	// If the client cannot be told, it finds out by itself.
	_ = conn.Write(conn.Append(nil, 0, wire.Append(nil, wire.EndedFrame{Kind: wire.KindEnded, Code: refusal.Code, Message: refusal.Message})))
	conn.Close(refusal.Code.Row().Close, string(refusal.Code))
}

// beatTime is how often something is to be sent.
func (l *link) beatTime() time.Duration {
	every := l.server.cfg.Timing.Heartbeat
	if l.kind == kindEvents {
		return min(every, commentTime)
	}
	return every
}

// beatAt sets the next heartbeat, a little later than t: those of many links fall together, so that the process
// sleeps in between.
func (l *link) beatAt(t time.Time) {
	grain := l.server.cfg.Timing.Heartbeat / 128
	l.beat.Set(processStart.Add((t.Sub(processStart)/grain + 1) * grain))
	l.mu.Lock()
	over := l.over
	l.mu.Unlock()
	if over {
		l.beat.Stop()
	}
}

// silence is how long ago something was heard.
func (l *link) silence() time.Duration {
	return time.Since(processStart) - time.Duration(l.heard.Load())
}

// heartbeat runs on the server's clock.
func (l *link) heartbeat() {
	every := l.server.cfg.Timing.Heartbeat
	now := time.Now()
	switch {
	case l.kind == kindWebSocket && l.silence() > 2*every:
		l.finish(nil, wire.Silent)
		return
	case !l.confirmed.Load() && now.Sub(l.opened) > probeTime:
		l.finish(nil, wire.Unconfirmed)
		return
	}
	l.beatAt(now.Add(l.beatTime()))
	l.renewICE()
	if now.Sub(l.pinged) < every-l.beatTime()/2 {
		l.send(nil) // a sign of life only
		return
	}
	alive := now.Sub(l.pinged) >= l.silence()
	l.pinged = now
	l.tell(func() { l.ping, l.alive = true, alive })
}
