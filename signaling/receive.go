package signaling

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

// reader is the side of a link that its WebSocket's reader calls.
type reader struct{ *link }

// batch are frames that are handed to the store at once.
type batch struct {
	frames [64]store.Sent
	n      int
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// Message takes one message from the client. Numbered frames wait for Settle.
func (l reader) Message(message []byte) {
	size := len(message)
	l.heard.Store(int64(time.Since(processStart)))
	l.mu.Lock()
	ending := l.ending != nil
	l.mu.Unlock()
	if ending {
		return
	}
	u, refusal := wire.ParseUplink(message, l.server.limits)
	switch {
	case u.Numbered() && l.holds(u.N):
		l.idle(1, size)
	case u.Numbered():
		if l.batch == nil {
			l.batch = batches.Get().(*batch)
		}
		b := l.batch
		b.frames[b.n] = l.server.sent(u, refusal, l.from)
		b.n++
		l.untold += size
		if b.n == len(b.frames) || u.Kind == wire.KindLeave {
			l.Settle()
		}
	case refusal != nil:
		l.refuse(refusal)
		if l.malformed++; l.malformed >= maxMalformed {
			l.finish(nil, wire.BadFrame)
		}
	case u.Kind == wire.KindAck:
		if n := min(u.N, l.sent.Load()); n > l.acked.Load() {
			l.acked.Store(n)
			l.wake() // the mailbox has to hear of it: it may be full
		} else {
			l.idle(1, size)
		}
	case u.Kind == wire.KindPing:
		l.idle(1, size)
		l.send(wire.AppendPong(nil))
	case u.Kind == wire.KindPong:
		l.debt.pongs.Add(1)
		l.idle(1, size)
	case u.Kind == wire.KindUse:
		l.Settle()
		l.idle(1, size)
		if refusal := l.server.use(l.ref, l.kind, u.Link, u.After); refusal != nil {
			l.refuse(refusal)
			if refusal.Code == wire.Unavailable && !l.confirmed.Load() {
				l.finish(nil, refusal.Code) // its client uses it from here on, and would hear nothing until probeTime is over
			}
		}
	}
}

// Settle hands the numbered frames that came at once to the store.
func (l reader) Settle() {
	if b := l.batch; b != nil {
		l.batch = nil
		l.take(b.frames[:b.n])
		clear(b.frames[:b.n])
		b.n = 0
		batches.Put(b)
	}
}

// Answer has what answers a control frame written.
func (l reader) Answer(b []byte) {
	l.idle(1, len(b))
	l.carry(b)
}

// use confirms the probe of that number and kind; its link is woken by the store.
func (s *Server) use(ref store.Ref, kind string, number, after int64) *wire.Error {
	attached, err := s.store.Attach(s.ctx, ref, store.Link{Kind: kind, Use: number, After: after})
	if err != nil {
		return s.refusalOf(err)
	}
	s.due(ref.Room, attached.Due)
	s.counts.linked(attached, kind)
	return nil
}

// take hands numbered frames to the store.
func (l *link) take(frames []store.Sent) {
	s := l.server
	before := l.received
	result, err := s.store.Exchange(s.ctx, l.ref, store.Exchange{Frames: frames, Ack: l.acked.Load(), Fence: l.fence})
	l.due(result.Due) // also after a leave, which is answered by an error
	if err != nil {
		if frames[len(frames)-1].Kind == store.Leave && isEnded(err, store.CodeLeft) {
			l.observe(SessionLeft, "")
		}
		if refusal := s.refusalOf(err); l.outlives(refusal) {
			l.notTaken(refusal) // or they were taken: then they are passed over the next time
		} else {
			l.fail(err, refusal)
		}
		return
	}
	s.counts.exchanged(frames, before, result)
	if refreshed(frames, result) {
		l.refreshICE()
	}
	l.received = max(before, result.Received)
	l.wasted(frames, before, result.Received)
	if result.Gap {
		if l.gap == result.Received+1 {
			return // said once already: what was behind the gap is still coming in
		}
		l.gap, l.told, l.untold = result.Received+1, result.Received, 0
		l.send(wire.Append(nil, wire.ReceivedFrame{
			Kind: wire.KindReceived, N: result.Received, Code: wire.Gap, Message: wire.Gap.Row().Message,
		}))
		return
	}
	if result.Wait > 0 {
		l.hold(result)
		return
	}
	if l.received-l.told >= tellFrames || l.untold >= tellBytes {
		l.told, l.untold = l.received, 0
		l.send(wire.AppendReceived(nil, l.received))
	}
}

// refuse tells the client that a message was no numbered frame. A numbered one is
// refused by the store, so that this cannot get lost.
func (l *link) refuse(refusal *wire.Error) {
	l.server.counts.refuse(refusal.Code)
	l.send(wire.Append(nil, wire.RefusedFrame{Kind: wire.KindRefused, Error: refusal}))
}

// sent turns a numbered frame into the store's: as refused already, if it is not valid.
func (s *Server) sent(u wire.Uplink, refusal *wire.Error, from netip.Addr) store.Sent {
	var id Identity
	if refusal == nil && u.Kind == wire.KindRefresh {
		id, refusal = s.refresh(u.Token, from)
	}
	if refusal != nil {
		return store.Sent{N: u.N, Kind: store.Invalid, Refusal: store.Refusal{Code: string(refusal.Code), Message: refusal.Message}}
	}
	sent := store.Sent{N: u.N, To: u.To, Epoch: u.Epoch, Data: u.Data, Name: u.Name, Meta: u.Meta}
	switch u.Kind {
	case wire.KindSignal:
		sent.Kind = store.Signal
	case wire.KindBroadcast:
		sent.Kind = store.Broadcast
	case wire.KindChange:
		sent.Kind = store.Change
	case wire.KindRefresh:
		sent.Kind, sent.Subject, sent.Expires = store.Refresh, id.Subject, id.expiresIn()
	case wire.KindLeave:
		sent.Kind = store.Leave
	}
	return sent
}

// appendFrame appends a numbered frame as a client reads it.
func appendFrame(b []byte, f store.Frame) []byte {
	switch f.Kind {
	case store.Signal:
		return wire.AppendSignal(b, f.N, f.From, f.Epoch, f.Data, f.Broadcast)
	case store.JoinedRoom:
		return wire.AppendJoined(b, f.N, wirePeer(*f.Peer))
	case store.LeftRoom:
		return wire.Append(b, wire.LeftFrame{Kind: wire.KindLeft, N: f.N, Peer: f.Peer.ID, Epoch: f.Peer.Epoch, Reason: f.Reason})
	case store.Changed:
		return wire.Append(b, wire.ChangedFrame{
			Kind: wire.KindChanged, N: f.N, Peer: f.Peer.ID, Epoch: f.Peer.Epoch,
			Presence: string(f.Peer.Presence), Name: f.Name, Meta: f.Peer.Meta,
		})
	case store.Refused:
		refusal := wire.Refuse(wire.Code(f.Refusal.Code))
		refusal.Message = cmp.Or(f.Refusal.Message, refusal.Message)
		return wire.Append(b, wire.RefusedFrame{Kind: wire.KindRefused, N: f.N, Of: f.Refusal.N, To: f.Refusal.To, Error: refusal})
	}
	panic("signaling: a mailbox holds a frame of no known kind")
}
