package signaling_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/internal/memory"
	"github.com/parley-rtc/parley/signaling/store"
)

// await waits until the stats are as they should be.
func (s *service) await(what string, is func(signaling.Stats) bool) signaling.Stats {
	s.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		stats := s.Stats()
		if is(stats) {
			return stats
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s: stats are %+v", what, stats)
		}
	}
}

func changes(stats signaling.Stats) map[string]uint64 {
	counts := map[string]uint64{}
	for _, c := range stats.LinkChanges {
		if c.Count > 0 {
			counts[c.From+" to "+c.To] = c.Count
		}
	}
	return counts
}

func count(h signaling.Histogram) (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

func TestStatsTellWhatWasDone(t *testing.T) {
	s := serve(t, signaling.Config{Timing: quick})
	empty := s.Stats()
	again := ask(as("alice"))
	alice, _ := s.try("room", again)
	_, r := s.try("room", again)
	if r.status != 201 {
		t.Fatalf("the same join again: %d %s", r.status, r.body)
	}
	s.try("room", ask(as("alice"))) // the peer id is taken

	poll := s.call("GET", alice.path+"/frames?after=0", nil, "Authorization", "Bearer "+alice.Secret)
	if poll.status != 200 {
		t.Fatalf("poll: %d %s", poll.status, poll.body)
	}
	probe, err := alice.open("websocket", -1, true)
	s.must(err)
	s.must(probe.say(fmt.Sprintf(`{"kind":"use","link":%d,"after":0}`, probe.number)))
	s.await("the probe is used", func(s signaling.Stats) bool { return s.Sessions["websocket"] == 1 })
	probe.cut()
	s.await("it broke", func(s signaling.Stats) bool { return s.Sessions["websocket"] == 0 && s.Links == 0 })
	link := alice.linked("websocket", -1)
	bob := s.join("room", as("bob")).linked("events", -1)
	_ = s.join("room", as("bob2"), func(r *wire.JoinRequest) { r.Peer, r.Resume = "", bob.Secret })
	s.must(link.send(1,
		`{"kind":"signal","to":"nobody","data":1}`, `{"kind":"broadcast","data":1}`, `{"kind":"signal","to":"bob"}`, `{"kind":"change","name":"A"}`))
	for got := ""; got != "refused 3"; {
		f := link.next()
		got = fmt.Sprint(f.Kind, " ", f.Of)
	}
	stats := s.await("a ping of alice", func(s signaling.Stats) bool { return count(s.Mailbox) > 1 })

	if stats.Joins != 3 || stats.Resumes != 1 || stats.Repeats != 1 {
		t.Errorf("%d joins, %d resumes, %d repeats, want 3, 1, 1", stats.Joins, stats.Resumes, stats.Repeats)
	}
	if got, want := changes(stats), map[string]uint64{" to poll": 1, "poll to websocket": 1, "websocket to websocket": 1, " to events": 1}; !maps.Equal(got, want) {
		t.Errorf("link changes are %v, want %v", got, want)
	}
	for code, want := range map[wire.Code]uint64{wire.PeerTaken: 1, wire.NoPeer: 1, wire.BadFrame: 1, wire.Busy: 0} {
		if got := stats.RefusedByCode[string(code)]; got != want {
			t.Errorf("refused as %s: %d, want %d", code, got, want)
		}
	}
	for kind, want := range map[string]uint64{"signal": 1, "broadcast": 1, "change": 1, "invalid": 1, "leave": 0} {
		if got := stats.UpByKind[kind]; got != want {
			t.Errorf("%s frames up: %d, want %d", kind, got, want)
		}
	}
	if stats.Up != 4 || stats.DownByKind["refused"] != 2 || stats.DownByKind["joined"] != 2 {
		t.Errorf("frames up %d, down %v", stats.Up, stats.DownByKind)
	}
	if count(stats.JoinTime) != 4 || stats.JoinTime.Sum <= 0 {
		t.Errorf("times of joins are %+v, want 4", stats.JoinTime)
	}
	if count(stats.Delivery) == 0 || stats.Delivery.Sum <= 0 || stats.Delivery.Sum > patience.Seconds() {
		t.Errorf("times of deliveries are %+v", stats.Delivery)
	}
	for what, keys := range map[string][2]int{
		"codes": {len(empty.RefusedByCode), len(stats.RefusedByCode)}, "kinds up": {len(empty.UpByKind), len(stats.UpByKind)},
		"kinds down": {len(empty.DownByKind), len(stats.DownByKind)}, "links": {len(empty.LinkChanges), len(stats.LinkChanges)},
	} {
		if keys[0] != keys[1] {
			t.Errorf("there are %d %s, and were %d before anything happened", keys[1], what, keys[0])
		}
	}
}

func TestPollsThatWaitAreSessionsHere(t *testing.T) {
	s := serve(t, signaling.Config{})
	link := s.join("room").linked("long poll", -1)
	s.await("it waits", func(s signaling.Stats) bool { return s.Sessions["poll"] == 1 })
	link.cut()
	s.await("it is gone", func(s signaling.Stats) bool { return s.Sessions["poll"] == 0 })
}

// holding is a store that holds back the answer in which a link hears that it is in use.
type holding struct {
	store.Store
	reached, release chan struct{}
	once             sync.Once
}

// Exchange implements store.Store.
func (s *holding) Exchange(ctx context.Context, ref store.Ref, x store.Exchange) (store.Result, error) {
	result, err := s.Store.Exchange(ctx, ref, x)
	if x.Fence != 0 && !result.Probing {
		s.once.Do(func() {
			close(s.reached)
			<-s.release
		})
	}
	return result, err
}

func TestALinkThatEndsBeforeItHearsThatItIsInUseIsNotCounted(t *testing.T) {
	slow := &holding{Store: memory.New(), reached: make(chan struct{}), release: make(chan struct{})}
	s := serve(t, signaling.Config{Store: slow})
	release := sync.OnceFunc(func() { close(slow.release) })
	t.Cleanup(release)
	probe := s.join("lobby").dial("?probe=1")
	probe.text(fmt.Sprintf(`{"kind":"use","link":%d,"after":0}`, probe.expect(wire.KindHello).Link))
	<-slow.reached
	probe.cut()
	s.await("the link is closed", func(stats signaling.Stats) bool { return stats.Links == 0 })
	release()
	s.must(s.Close()) // and everything has ended
	if n := s.Stats().Sessions["websocket"]; n != 0 {
		t.Errorf("%d links in use are counted when there are none", n)
	}
}
