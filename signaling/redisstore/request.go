package redisstore

import (
	"time"

	"github.com/parley-rtc/parley/signaling/internal/msgpack"
	"github.com/parley-rtc/parley/signaling/store"
)

// What scripts are asked is an array, which each of them describes at its beginning.

func appendInt(b []byte, n int64) []byte { return msgpack.AppendInt(b, n) }

func appendBool(b []byte, v bool) []byte { return msgpack.AppendBool(b, v) }

func appendText[T string | []byte](b []byte, text T) []byte { return msgpack.AppendText(b, text) }

// appendMaybe appends a text, or false if there is none.
func appendMaybe(b, text []byte) []byte {
	if text == nil {
		return appendBool(b, false)
	}
	return appendText(b, text)
}

// appendSpan appends a time in microseconds: at least 1, if it is not 0.
func appendSpan(b []byte, d time.Duration) []byte {
	n := d.Microseconds()
	if d > 0 {
		n = max(n, 1)
	}
	return appendInt(b, n)
}

func appendTexts(b []byte, texts ...string) []byte {
	b = msgpack.AppendArray(b, len(texts))
	for _, text := range texts {
		b = appendText(b, text)
	}
	return b
}

// appendRef appends the beginning of a request about a session, which so many values follow.
func appendRef(b []byte, ref store.Ref, more int) []byte {
	b = msgpack.AppendArray(b, 2+more)
	b = appendText(b, ref.Session)
	return appendText(b, ref.SecretHash[:])
}

func appendJoin(b []byte, r store.JoinRequest) []byte {
	b = msgpack.AppendArray(b, 30)
	b = appendText(b, r.Attempt[:16])
	b = appendText(b, r.Body[:])
	b = appendBool(b, r.Resuming)
	b = appendText(b, r.Resume[:])
	b = appendText(b, r.Subject)
	b = appendText(b, r.Address)
	b = appendInt(b, deny(r.Deny))
	b = appendSpan(b, r.Expires)
	b = appendText(b, r.Session)
	b = appendText(b, r.Salt)
	b = appendText(b, r.SecretHash[:])
	b = appendText(b, r.Peer)
	b = appendText(b, r.Spare)
	b = appendText(b, r.Instance)
	b = appendText(b, r.Name)
	b = appendMaybe(b, r.Meta)
	for _, n := range []int{r.Rules.Peers, r.Rules.PerAddress, r.Rules.Rate, r.Rules.Burst, r.Rules.MailboxFrames, r.Rules.MailboxBytes} {
		b = appendInt(b, int64(n))
	}
	for _, d := range []time.Duration{
		r.Rules.Lease, r.Rules.Polling, r.Rules.Away, r.Rules.Left, r.Rules.Unlinked, r.Rules.Leaving, r.Rules.Attempt, r.Rules.Tombstone,
	} {
		b = appendSpan(b, d)
	}
	return b
}

// deny are the things that a session may not do, as bits.
func deny(d store.Deny) (bits int64) {
	for i, denied := range []bool{d.Signal, d.Broadcast, d.Rename} {
		if denied {
			bits |= 1 << i
		}
	}
	return bits
}

func appendLink(b []byte, l store.Link) []byte {
	b = appendText(b, l.Kind)
	b = appendBool(b, l.Polls)
	b = appendInt(b, l.Goes)
	b = appendBool(b, l.Probe)
	b = appendInt(b, l.Use)
	return appendInt(b, l.After)
}

func appendExchange(b []byte, x store.Exchange) []byte {
	b = msgpack.AppendArray(b, len(x.Frames))
	for i := range x.Frames {
		b = appendSent(b, &x.Frames[i])
	}
	b = appendInt(b, x.Ack)
	b = appendInt(b, x.After)
	b = appendInt(b, int64(x.Max))
	b = appendInt(b, x.Fence)
	b = appendInt(b, x.Turn)
	return appendBool(b, x.Renew)
}

// sizeOf is about how long a request becomes.
func sizeOf(ref store.Ref, x store.Exchange) int {
	const most = 128 // of what is not text: the secret's hash, numbers
	size := most + len(ref.Session)
	for i := range x.Frames {
		f := &x.Frames[i]
		size += 64 + len(f.To) + len(f.Data) + len(f.Meta)
	}
	return size
}

// appendSent appends {number, kind, cost to one peer, …}.
func appendSent(b []byte, f *store.Sent) []byte {
	head := func(more int) {
		b = msgpack.AppendArray(b, 3+more)
		b = appendInt(b, f.N)
		b = appendInt(b, int64(f.Kind))
		b = appendInt(b, int64(f.Cost(1)))
	}
	switch f.Kind {
	case store.Signal:
		head(3)
		b = appendText(b, f.To)
		b = appendInt(b, f.Epoch)
		b = appendText(b, f.Data)
	case store.Broadcast:
		head(1)
		b = appendText(b, f.Data)
	case store.Change:
		head(2)
		if f.Name != nil {
			b = appendText(b, *f.Name)
		} else {
			b = appendBool(b, false)
		}
		b = appendMaybe(b, f.Meta)
	case store.Refresh:
		head(2)
		b = appendText(b, f.Subject)
		b = appendSpan(b, f.Expires)
	case store.Invalid:
		head(3)
		b = appendText(b, f.Refusal.To)
		b = appendText(b, f.Refusal.Code)
		b = appendText(b, f.Refusal.Message)
	default: // Leave
		head(0)
	}
	return b
}
