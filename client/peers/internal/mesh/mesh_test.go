package mesh

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// room returns a room of so many, settled.
func room(count int, channels map[string]Options) (*lattice, []*page) {
	l := newLattice(channels)
	for i := range count {
		l.join(fmt.Sprint("p", i))
	}
	l.pass(30 * time.Second)
	return l, l.pages
}

func TestARoomThatGrowsAndShrinksIsMeshedMeanwhile(t *testing.T) {
	l, pages := room(12, nil)
	check := func(what string, pages []*page, meshed bool, least, most int) {
		t.Helper()
		for _, p := range pages {
			if p.IsMeshed() != meshed || p.degree() < least || p.degree() > most {
				t.Errorf("%s: %s is meshed: %v, and has %d edges", what, p.id, p.IsMeshed(), p.degree())
			}
			for _, f := range p.peers {
				if !p.IsHeard(f) {
					t.Errorf("%s: %s has not heard of %s", what, p.id, f.page.id)
				}
			}
		}
	}
	check("of 12", pages, false, 11, 11)
	for i := 12; i < 30; i++ {
		l.join(fmt.Sprint("p", i))
	}
	l.pass(30 * time.Second)
	check("of 30", l.pages, true, 4, 8)
	for _, p := range l.pages[12:] {
		l.leave(p)
	}
	l.pass(30 * time.Second)
	check("of 12 again", l.alive(), true, 4, 8)
	for _, p := range l.pages[10:12] {
		l.leave(p)
	}
	l.pass(30 * time.Second)
	check("of 10", l.alive(), false, 9, 9)
	l.pass(time.Minute)
	if len(l.timers) > 0 {
		t.Errorf("%d timers in a room at rest", len(l.timers))
	}
}

func TestAMessageReachesEverybodyOnceWithinAFewHops(t *testing.T) {
	l, pages := room(30, nil)
	l.carried = 0
	pages[3].say("hello")
	l.pass(4 * 5 * time.Millisecond)
	for _, p := range pages {
		want := []heard{{"p3", "text", "hello"}}
		if p == pages[3] {
			want = nil
		}
		if !slices.Equal(p.got, want) {
			t.Errorf("%s got %v", p.id, p.got)
		}
	}
	if l.carried > 30*7+1 {
		t.Errorf("it took %d envelopes", l.carried)
	}
}

func TestWhileEdgesBreakAtRandomEachMessageComesOnceAndInOrderAndMostCome(t *testing.T) {
	l, pages := room(24, nil)
	pick := func(i, most int) int { return int(Hash(strconv.Itoa(i)) % uint32(most)) }
	l.delay = func() time.Duration { return time.Duration(1+pick(l.carried, 40)) * time.Millisecond }
	for step := range 300 {
		pages[step%3].say(strconv.Itoa(step))
		var near []*far
		for _, other := range pages {
			if f := pages[pick(step, 24)].peers[other.id]; f != nil && isNear(f) {
				near = append(near, f)
			}
		}
		if len(near) > 3 {
			l.cut(near[pick(step, len(near))])
		}
		l.pass(20 * time.Millisecond)
	}
	l.pass(5 * time.Second)
	lost := 0
	for _, p := range pages {
		for i, origin := range pages[:3] {
			if p == origin {
				continue
			}
			last := -1
			texts := p.texts(origin)
			for _, text := range texts {
				n, _ := strconv.Atoi(text)
				if n <= last || n%3 != i {
					t.Errorf("%s got %d of %s after %d", p.id, n, origin.id, last)
				}
				last = n
			}
			lost += 100 - len(texts)
		}
	}
	if lost >= 300 {
		t.Errorf("%d of %d were lost", lost, 300*23)
	}
}

func TestWhenSixOfThirtyVanishTheOthersGoOnAndNoticeIt(t *testing.T) {
	l, pages := room(30, nil)
	var gone, rest []*page
	for i, p := range pages {
		if i%5 == 2 {
			gone = append(gone, p)
		} else {
			rest = append(rest, p)
		}
	}
	for _, p := range gone {
		l.vanish(p)
	}
	pages[0].say("at once")
	l.pass(500 * time.Millisecond)
	for _, p := range rest[1:] {
		if got := p.texts(pages[0]); !slices.Equal(got, []string{"at once"}) {
			t.Errorf("%s got %q", p.id, got)
		}
	}
	l.pass(7 * time.Second)
	for _, p := range rest {
		for _, f := range p.peers {
			if p.IsHeard(f) == f.page.isGone {
				t.Errorf("%s hears of %s: %v", p.id, f.page.id, p.IsHeard(f))
			}
		}
	}
	l.pass(20 * time.Second)
	for _, p := range rest {
		if d := p.degree(); d < 4 || d > 9 {
			t.Errorf("%s has %d edges before the server says who is gone", p.id, d)
		}
	}
	for _, p := range rest {
		for _, g := range gone {
			f := p.peers[g.id]
			delete(p.peers, g.id)
			p.Remove(f)
		}
		p.Update()
	}
	l.pass(30 * time.Second)
	for _, p := range rest {
		if d := p.degree(); d < 4 || d > 8 {
			t.Errorf("%s has %d edges", p.id, d)
		}
	}
}

func TestWhoVanishedIsLostToOneWhoHadAnEdgeToItWithoutNeedAndWasToldSoBefore(t *testing.T) {
	l, pages := room(20, nil)
	victim := pages[0]
	f := victim.some(false)
	edge := f.other()
	l.connect(edge) // as another roster asks for
	if !isNear(edge) || edge.wanted {
		t.Fatalf("the edge is %+v", edge)
	}
	edge.noticeTime = 8 * time.Second
	l.vanish(victim)
	f.isSpare = false // it needed the edge
	l.pass(7900 * time.Millisecond)
	if !edge.owner.IsHeard(edge) {
		t.Error("it is lost while its edge seems to be there")
	}
	l.pass(1200 * time.Millisecond)
	for _, p := range pages[1:] {
		if p.IsHeard(p.peers[victim.id]) {
			t.Errorf("%s hears of it still", p.id)
		}
	}
}

func TestAnEdgeWithoutNeedThatFailsBetweenTwoWhoLiveMakesNobodyLost(t *testing.T) {
	l, pages := room(20, nil)
	edge := pages[0].some(false)
	l.connect(edge)
	for _, p := range pages {
		p.changes = 0
	}
	l.cut(edge)
	l.pass(3 * time.Second)
	for _, p := range pages {
		if p.changes != 0 {
			t.Errorf("%s was told of %d changes", p.id, p.changes)
		}
	}
}

func TestWhoLeftTheServerIsAskedWhetherItIsThere(t *testing.T) {
	l, pages := room(20, nil)
	p := pages[0]
	alive := p.some(false)
	alive.isListed = false
	p.Question(alive)
	l.pass(2 * time.Second)
	if !p.IsHeard(alive) {
		t.Error("one that answers is lost")
	}
	l.vanish(alive.page)
	p.Question(alive)
	l.pass(900 * time.Millisecond)
	if !p.IsHeard(alive) {
		t.Error("it had no time to answer")
	}
	l.pass(200 * time.Millisecond)
	if p.IsHeard(alive) {
		t.Error("one that does not answer is there")
	}
}

func TestSomebodyWronglySaidToBeLostSaysOtherwise(t *testing.T) {
	l, pages := room(20, nil)
	pages[0].toAll("text", lost, []byte("p5"))
	l.pass(3 * time.Second)
	for _, p := range pages {
		if f := p.peers["p5"]; f != nil && !p.IsHeard(f) {
			t.Errorf("p5 is lost to %s", p.id)
		}
	}
}

func TestWhoIsCutOffHearsOfNobodyAndOfEverybodyWhenAWayIsBack(t *testing.T) {
	l, pages := room(20, nil)
	alone := pages[4]
	for _, other := range pages {
		if f := alone.peers[other.id]; f != nil {
			f.hasWay = false
			alone.Look(f)
		}
	}
	for _, f := range alone.peers {
		if alone.IsHeard(f) {
			t.Errorf("it hears of %s", f.page.id)
		}
	}
	for _, other := range pages {
		if f := other.peers[alone.id]; f != nil && f.hasWay {
			l.cut(f)
		}
	}
	l.pass(5 * time.Second)
	for _, f := range alone.peers {
		if !alone.IsHeard(f) {
			t.Errorf("it does not hear of %s", f.page.id)
		}
	}
	pages[11].say("welcome")
	l.pass(50 * time.Millisecond)
	if got := alone.texts(pages[11]); !slices.Equal(got, []string{"welcome"}) {
		t.Errorf("it got %q", got)
	}
}

func TestAMessageToOneWhoIsNoNeighbourReachesThatOneAloneInOrder(t *testing.T) {
	l, pages := room(30, nil)
	from := pages[0]
	l.carried = 0
	targets := map[string]bool{}
	for _, f := range from.peers {
		if isNear(f) {
			continue
		}
		targets[f.page.id] = true
		for i := range 5 {
			if !from.Send(f, "text", []byte(strconv.Itoa(i))) {
				t.Fatalf("message %d to %s is not taken", i, f.page.id)
			}
		}
	}
	l.pass(2 * time.Second)
	for _, p := range pages {
		want := ""
		if targets[p.id] {
			want = "0 1 2 3 4"
		}
		if got := strings.Join(p.texts(from), " "); got != want || len(p.got) > 5 {
			t.Errorf("%s got %v", p.id, p.got)
		}
	}
	if l.carried > len(targets)*5*5 {
		t.Errorf("it took %d envelopes", l.carried)
	}
	if from.Send(from.some(false), "text", make([]byte, OneMost+1)) {
		t.Error("more than 64 KiB are taken")
	}
}

func TestAMessageToOneWhoWasThoughtToBeGoneAndNeverWasReachesThatOne(t *testing.T) {
	l, pages := room(20, nil)
	from := pages[0]
	f := from.some(false)
	for i := range 5 {
		from.Send(f, "text", []byte(strconv.Itoa(i)))
	}
	l.pass(100 * time.Millisecond)
	from.Remove(f)
	again := from.meet(f.page)
	from.Update()
	from.Send(again, "text", []byte("again"))
	l.pass(1500 * time.Millisecond)
	if got := strings.Join(f.page.texts(from), " "); got != "0 1 2 3 4 again" {
		t.Errorf("it got %q", got)
	}
}

func TestWhatAPeerSaidComesOnceThoughItWasAwayMeanwhile(t *testing.T) {
	l, pages := room(16, nil)
	p := pages[0]
	near, origin := p.some(true), p.some(false)
	say := func(n uint32) {
		e := envelope{run: Hash(origin.page.instance()), n: 1000 + n, origin: origin.page.id, payload: []byte(strconv.Itoa(int(n)))}
		p.Receive(near, "text", e.encode())
	}
	say(1)
	say(3)
	p.Remove(origin)
	say(4)
	p.Add(origin)
	p.Update()
	say(1)
	say(5)
	l.pass(3 * time.Second)
	say(3)
	say(6)
	if got := strings.Join(p.texts(origin.page), " "); got != "1 3 5 6" || p.missed != 3 { // before each of the first three
		t.Errorf("it got %s, and was told %d times that some miss", got, p.missed)
	}
}

func TestANeighbourThatTakesNothingHoldsNobodyUp(t *testing.T) {
	l, pages := room(16, nil)
	slow, others := pages[0], pages[1:]
	for _, p := range others[:len(others)-6] {
		p.peers[slow.id].isBlocked = true
	}
	for i := range 50 {
		others[i%3].say(strconv.Itoa(i))
	}
	l.pass(100 * time.Millisecond)
	for _, p := range pages {
		want := 50
		for _, origin := range others[:3] {
			if p == origin {
				want -= 50 / 3
				if origin != others[2] {
					want--
				}
			}
		}
		if len(p.got) != want {
			t.Errorf("%s got %d, want %d", p.id, len(p.got), want)
		}
	}
}

func TestANeighbourThatIsRefusedIsLeftOutAtOnce(t *testing.T) {
	_, pages := room(16, nil)
	f := pages[0].some(true)
	f.isRefused, f.hasWay = true, false
	pages[0].Update()
	if f.wanted {
		t.Error("it is wanted still")
	}
}

func TestANeighbourWithoutAWayIsLeftOutForAMinute(t *testing.T) {
	l, pages := room(16, nil)
	p := pages[0]
	f := p.some(true)
	f.owner.peers[f.page.id] = nil // nobody connects the two
	f.hasWay = false
	p.Look(f)
	p.Update()
	l.pass(7 * time.Second)
	if !f.wanted {
		t.Error("it is given up too soon")
	}
	l.pass(2 * time.Second)
	if f.wanted {
		t.Error("it is waited for too long")
	}
	if !p.IsHeard(f) {
		t.Error("nobody passes on that it is there")
	}
	l.pass(53 * time.Second)
	if !f.wanted {
		t.Error("it gets no other try")
	}
}

func TestARoomWhoseOnlyChannelKeepsTheLatestIsMeshedToo(t *testing.T) {
	l, pages := room(14, map[string]Options{"carets": {Unordered: true, LatestOnly: true, Lossy: true}})
	for _, p := range pages {
		for _, f := range p.peers {
			if !p.IsHeard(f) {
				t.Errorf("%s does not hear of %s", p.id, f.page.id)
			}
		}
	}
	pages[0].Broadcast("carets", []byte("here"))
	l.pass(100 * time.Millisecond)
	for _, p := range pages[1:] {
		if len(p.got) != 1 {
			t.Errorf("%s got %v", p.id, p.got)
		}
	}
}
