package worker

import (
	"slices"
	"testing"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

func TestAQueueIsBounded(t *testing.T) {
	q := newQueue()
	p := turn.Packet{Head: []byte{1, 2, 3, 4}, Body: make([]byte, 1000), Pad: 0}
	n := 0
	for room(q.push(p)) {
		if n++; n > maxQueue {
			t.Fatal("it takes everything")
		}
	}
	if want := maxQueue / p.Len(); n != want {
		t.Errorf("%d packets fit, want %d", n, want)
	}
	buf, ends, more := q.take(nil, nil)
	if len(buf) != n*p.Len() || len(ends) != n || !more {
		t.Errorf("%d bytes, %d packets, more %v", len(buf), len(ends), more)
	}
	if !room(q.push(p)) {
		t.Error("an empty queue has no room")
	}
}

func TestNothingIsKeptOfALongQueue(t *testing.T) {
	for name, test := range map[string]struct {
		p    turn.Packet
		n    int
		kept bool
	}{
		"a few packets":                  {turn.Packet{Body: make([]byte, 1000)}, 10, true},
		"many packets":                   {turn.Packet{Body: make([]byte, 1000)}, 200, false},
		"many of them, nearly all empty": {turn.Packet{Head: make([]byte, 4)}, 10_000, false},
	} {
		q := newQueue()
		for range test.n {
			q.push(test.p)
		}
		buf, ends, _ := q.take(nil, nil)
		buf, ends = spare(buf, ends)
		if (cap(buf) > 0) != test.kept || (cap(ends) > 0) != test.kept {
			t.Errorf("%s: room for %d bytes and %d packets is kept", name, cap(buf), cap(ends))
		}
	}
}

func TestAQueueKeepsPacketsApartAndInOrder(t *testing.T) {
	q := newQueue()
	q.push(turn.Packet{Head: []byte{1, 2}})
	q.push(turn.Packet{Head: []byte{3}, Body: []byte{4, 5}, Pad: 3})
	buf, ends, _ := q.take(nil, nil)
	if !slices.Equal(buf, []byte{1, 2, 3, 4, 5, 0, 0, 0}) || !slices.Equal(ends, []int{2, 8}) {
		t.Errorf("got %v, %v", buf, ends)
	}
}

func TestAFinishedQueueIsEmptiedFirst(t *testing.T) {
	q := newQueue()
	q.push(turn.Packet{Head: []byte{1}})
	q.finish()
	if !room(q.push(turn.Packet{Head: []byte{2}})) {
		t.Error("what comes late is called an overflow")
	}
	var got []byte
	for range q.wake {
		buf, _, more := q.take(nil, nil)
		got = append(got, buf...)
		if !more {
			break
		}
	}
	if !slices.Equal(got, []byte{1}) {
		t.Errorf("got %v, want what came in time", got)
	}
}

// room is whether push had room.
func room(_, ok bool) bool { return ok }
