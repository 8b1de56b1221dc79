package worker

import (
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// handed are payloads that clients of one worker have sent to those of others. They are not copied: whoever has read them feeds them to the
// other engines itself, before it reads again. So there are never more than it reads at once.
type handed struct {
	payloads []payload
}

// payload is what one relayed address sends to another.
type payload struct {
	engine   int // of the receiver; -1: it has been delivered
	from, to netip.AddrPort
	body     []byte
}

// Across implements [turn.Sink].
func (w *Worker) Across(engine int, from, to netip.AddrPort, body []byte) {
	if w.handed == nil {
		if w.handed = w.spare.Swap(nil); w.handed == nil {
			w.handed = new(handed)
		}
	}
	w.handed.payloads = append(w.handed.payloads, payload{engine, from, to, body})
}

// deliver feeds payloads to the workers that they are for, one after the other, each with all of its own in their order. No lock
// is held.
func (w *Worker) deliver(h *handed, out *packet.Outbox) {
	for i := range h.payloads {
		if engine := h.payloads[i].engine; engine >= 0 {
			w.crew.workers[engine].accept(h.payloads[i:], out)
		}
	}
	clear(h.payloads) // they hold buffers
	h.payloads = h.payloads[:0]
	w.spare.Store(h)
}

// accept feeds those payloads to the engine that are for it. What it answers goes into the outbox of whoever brings them.
func (w *Worker) accept(payloads []payload, out *packet.Outbox) {
	if !w.hold(out) {
		return
	}
	own, now := payloads[0].engine, time.Now()
	for i := range payloads {
		if p := &payloads[i]; p.engine == own {
			w.engine.FromInside(now, p.from, p.to, p.body)
			p.engine = -1
		}
	}
	_, _ = w.release() // nothing else comes of it: what arrives from inside goes to a client, or nowhere
}

// Call implements [turn.Sink].
func (w *Worker) Call(engine int, id uint32, from, to netip.AddrPort) {
	w.later(func() { w.call(w.crew.workers[engine], id, from, to) })
}

// call connects two TCP allocations, one of this worker's clients and one of another's. No lock is held.
func (w *Worker) call(called *Worker, id uint32, from, to netip.AddrPort) {
	one, other := newInside()
	taken, joined := false, false
	called.do(func(e *turn.Engine, now time.Time) {
		var far uint32
		if far, taken = e.Called(now, from, to); taken {
			called.peers[far] = newPeerConn(called, far, other)
		}
	})
	w.do(func(e *turn.Engine, now time.Time) {
		switch {
		case !taken:
			e.Failed(id)
		case e.Connected(now, id):
			w.peers[id] = newPeerConn(w, id, one)
			joined = true
		}
	})
	if taken && !joined {
		_ = one.Close() // a pipe's Close has no error; the other client finds it ended
	}
}
