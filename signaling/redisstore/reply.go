package redisstore

import (
	"cmp"
	"slices"
	"time"

	"github.com/parley-rtc/parley/signaling/internal/msgpack"
	"github.com/parley-rtc/parley/signaling/store"
)

// readSpan reads a time in microseconds.
func readSpan(r *msgpack.Reader) time.Duration { return time.Duration(r.Int()) * time.Microsecond }

func readOwner(r *msgpack.Reader) store.Owner {
	return store.Owner{Peer: r.Text(), Subject: r.Text(), Age: readSpan(r), Expires: readSpan(r)}
}

// readRoster reads peers, and returns them by epoch.
func readRoster(r *msgpack.Reader) []store.Peer {
	peers := make([]store.Peer, r.Array())
	for i := range peers {
		r.Array()
		p := &peers[i]
		p.ID, p.Session, p.Epoch, p.Instance, p.Name = r.Text(), r.Text(), r.Int(), r.Text(), r.Text()
		p.Meta, _ = r.Bytes()
		p.Presence = store.Presence(r.Text())
	}
	slices.SortFunc(peers, func(a, b store.Peer) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return peers
}

func readRefusals(r *msgpack.Reader) []store.Refusal {
	n := r.Array()
	if n == 0 {
		return nil
	}
	refused := make([]store.Refusal, n)
	for i := range refused {
		r.Array()
		refused[i] = store.Refusal{N: r.Int(), To: r.Text(), Code: r.Text(), Message: r.Text()}
	}
	return refused
}

// readFrames reads the number of the first of some frames, and them, each of which is packed by itself.
func readFrames(r *msgpack.Reader) []store.Frame {
	first := r.Int()
	n := r.Array()
	if n == 0 {
		return nil
	}
	frames := make([]store.Frame, n)
	for i := range frames {
		text, _ := r.Bytes()
		inner := msgpack.NewReader(text)
		frames[i] = readFrame(inner)
		frames[i].N = first + int64(i)
		if err := inner.Err(); err != nil {
			r.Fail(err)
			return nil
		}
	}
	return frames
}

// readFrame reads {kind, from, weight, …}. Of what follows:
//
//	Signal      epoch, whether it is a broadcast, data
//	JoinedRoom  peer, epoch, instance, name, meta, presence
//	LeftRoom    peer, epoch, reason
//	Changed     peer, epoch, presence, name, meta
//	Refused     the number of the frame, to, code, message
func readFrame(r *msgpack.Reader) store.Frame {
	r.Array()
	f := store.Frame{Kind: store.Kind(r.Int()), From: r.Text()}
	r.Int() // the weight
	switch f.Kind {
	case store.Signal:
		f.Epoch, f.Broadcast = r.Int(), r.Bool()
		f.Data, _ = r.Bytes()
	case store.JoinedRoom:
		f.Peer = &store.Peer{ID: r.Text(), Epoch: r.Int(), Instance: r.Text(), Name: r.Text()}
		f.Peer.Meta, _ = r.Bytes()
		f.Peer.Presence = store.Presence(r.Text())
	case store.LeftRoom:
		f.Peer = &store.Peer{ID: r.Text(), Epoch: r.Int()}
		f.Reason = r.Text()
	case store.Changed:
		f.Peer = &store.Peer{ID: r.Text(), Epoch: r.Int(), Presence: store.Presence(r.Text())}
		if name, is := r.Bytes(); is {
			text := string(name)
			f.Name = &text
		}
		f.Peer.Meta, _ = r.Bytes()
	case store.Refused:
		f.Refusal = &store.Refusal{N: r.Int(), To: r.Text(), Code: r.Text(), Message: r.Text()}
	}
	return f
}
