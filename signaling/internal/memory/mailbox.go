package memory

import "github.com/parley-rtc/parley/signaling/store"

// mailbox holds the numbered frames that a session has not acknowledged.
type mailbox struct {
	frames []store.Frame // numbered acked+1 … tail
	bytes  int
	acked  int64
	tail   int64
	from   map[string]load // what each sender has in it
}

type load struct{ frames, bytes int }

func weight(f store.Frame) int {
	w := store.Overhead + len(f.Data)
	if f.Peer != nil {
		w += len(f.Peer.Name) + len(f.Peer.Meta)
	}
	if f.Name != nil {
		w += len(*f.Name)
	}
	if f.Refusal != nil {
		w += len(f.Refusal.Message)
	}
	return w
}

// sentByPeer says whether f counts to what its sender may put into the mailbox.
func sentByPeer(f store.Frame) bool {
	return f.Kind == store.Signal || f.Kind == store.Changed && f.From != ""
}

// hasRoom says whether there is a place for f at all.
func (b *mailbox) hasRoom(f store.Frame, rules store.Rules) bool {
	return len(b.frames) < rules.MailboxFrames && b.bytes+weight(f) <= rules.MailboxBytes
}

// fits says whether there is a place for a peer's f: neither has its sender had its
// quarter, nor is only the last quarter left, which is for frames of the server's making.
func (b *mailbox) fits(f store.Frame, rules store.Rules) bool {
	l, w := b.from[f.From], weight(f)
	return len(b.frames) < rules.MailboxFrames*3/4 && b.bytes+w <= rules.MailboxBytes*3/4 &&
		(l.frames == 0 || l.frames < rules.MailboxFrames/4 && l.bytes+w <= rules.MailboxBytes/4)
}

func (b *mailbox) append(f store.Frame) {
	b.tail++
	f.N = b.tail
	b.frames = append(b.frames, f)
	b.count(f, 1)
}

func (b *mailbox) count(f store.Frame, sign int) {
	w := weight(f)
	b.bytes += sign * w
	if !sentByPeer(f) {
		return
	}
	l := b.from[f.From]
	l.frames += sign
	l.bytes += sign * w
	if l.frames == 0 {
		delete(b.from, f.From)
		return
	}
	if b.from == nil {
		b.from = make(map[string]load)
	}
	b.from[f.From] = l
}

// ack forgets the frames up to n.
func (b *mailbox) ack(n int64) {
	n = min(n, b.tail)
	if n <= b.acked {
		return
	}
	k := int(n - b.acked)
	for _, f := range b.frames[:k] {
		b.count(f, -1)
	}
	b.acked = n
	if k == len(b.frames) {
		b.frames, b.from = nil, nil // an idle session costs nothing
		return
	}
	clear(b.frames[:k])
	b.frames = b.frames[k:]
}

// read returns frames after n, up to limit bytes and at least one.
func (b *mailbox) read(n int64, limit int) []store.Frame {
	start := int(n - b.acked)
	end, size := start, 0
	for end < len(b.frames) {
		size += weight(b.frames[end])
		if size > limit && end > start {
			break
		}
		end++
	}
	if end == start {
		return nil
	}
	return append([]store.Frame(nil), b.frames[start:end]...)
}
