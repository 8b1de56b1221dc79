package mesh

import (
	"slices"
	"testing"
	"time"
)

func TestWhoWasLetInWithoutTheKeySpeaksForItselfAlone(t *testing.T) {
	l, pages := room(16, nil)
	p := pages[0]
	from := p.some(true)
	from.isUntrusted = true
	var others []*page
	for _, other := range pages {
		if other != p && other != from.page {
			others = append(others, other)
		}
	}
	own := envelope{run: Hash(from.page.instance()), n: 1000, origin: from.page.id, payload: []byte("own")}
	forged := envelope{run: Hash(others[0].instance()), n: 1000, origin: others[0].id, payload: []byte("forged")}
	carried := l.carried
	p.Receive(from, "carets", forged.encode())
	forged.to, forged.hops = p.id, hopsMost
	p.Receive(from, "carets", forged.encode())
	toOther := own
	toOther.to, toOther.hops = others[1].id, hopsMost
	p.Receive(from, "carets", toOther.encode())
	own.n++
	p.Receive(from, "carets", own.encode())
	far := p.some(false)
	p.Receive(from, "text", envelope{sort: lost, run: own.run, n: 1000, origin: own.origin, payload: []byte(far.page.id)}.encode())
	l.pass(2900 * time.Millisecond)
	if !p.IsHeard(far) {
		t.Error("it makes others lost")
	}
	if want := []heard{{from.page.id, "carets", "own"}}; !slices.Equal(p.got, want) {
		t.Errorf("got %v, want %v", p.got, want)
	}
	for _, other := range others {
		if len(other.got) > 0 {
			t.Errorf("%s got %v", other.id, other.got)
		}
	}
	if l.carried != carried {
		t.Errorf("%d envelopes were passed on", l.carried-carried)
	}
	given := 0
	from.carry = func() { given++ }
	others[0].say("not for all")
	l.pass(900 * time.Millisecond)
	if got := p.texts(others[0]); len(got) != 1 || given != 0 {
		t.Errorf("got %q, and gave it %d", got, given)
	}
	p.say("for all")
	p.Send(from, "text", []byte("for one"))
	if given != 2 {
		t.Errorf("it was given %d, want 2", given)
	}
}

func TestWhatIsForgedMalformedOrRepeatedIsDropped(t *testing.T) {
	l, pages := room(16, nil)
	p := pages[0]
	from := p.some(true)
	good := envelope{run: Hash(pages[9].instance()), n: 1000, origin: "p9", payload: []byte("forged")}
	with := func(change func(*envelope)) []byte {
		e := good
		change(&e)
		return e.encode()
	}
	for says, data := range map[string][]byte{
		"no envelope":                        []byte("x"),
		"nobody of this room":                with(func(e *envelope) { e.origin = "nobody" }),
		"another visit of the same peer":     with(func(e *envelope) { e.run++ }),
		"in this side's own name":            with(func(e *envelope) { e.origin, e.run = p.id, Hash(p.instance()) }),
		"that a peer of a long name is lost": with(func(e *envelope) { e.sort, e.payload = lost, make([]byte, 60_000) }),
		"more hops than there may be":        with(func(e *envelope) { e.to, e.hops = "p3", 255 }),
		"too much for one":                   with(func(e *envelope) { e.to, e.payload = p.id, make([]byte, OneMost+1) }),
	} {
		carried := l.carried
		if says != "that a peer of a long name is lost" {
			p.Receive(from, "text", data)
		}
		if l.carried != carried || len(p.got) > 0 {
			t.Errorf("%s is passed on by %d, and %v is handed over", says, l.carried-carried, p.got)
		}
	}
	if from.drops != 3 {
		t.Errorf("%d are malformed, want 3", from.drops)
	}
	for range 100_000 {
		p.Receive(from, "carets", good.encode())
	}
	l.pass(2 * time.Second)
	if len(p.got) != 1 {
		t.Errorf("got %d, want 1", len(p.got))
	}
}

func TestAMessageThatMissesIsTold(t *testing.T) {
	l, pages := room(16, map[string]Options{"about": {}, "carets": {Unordered: true, LatestOnly: true}, "text": {}})
	p := pages[0]
	from := p.some(true)
	for _, n := range []uint32{5000, 5001, 5003} {
		p.Receive(from, "text", envelope{run: Hash(pages[9].instance()), n: n, origin: "p9", payload: []byte("x")}.encode())
		p.Receive(from, "carets", envelope{run: Hash(pages[9].instance()), n: n, origin: "p9", payload: []byte("x")}.encode())
	}
	if p.missed != 0 || len(p.got) != 5 {
		t.Errorf("at once %d are told and %d handed over", p.missed, len(p.got))
	}
	l.pass(3 * time.Second)
	if p.missed != 1 || len(p.got) != 6 {
		t.Errorf("later %d are told and %d handed over", p.missed, len(p.got))
	}
}
