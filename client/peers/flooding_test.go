package peers

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/client/peers/internal/mesh"
)

// tub is a connection of which nothing arrives but what is taken out of it.
type tub struct {
	mu     sync.Mutex
	waits  uint64   // guarded by mu
	chunks []string // guarded by mu
	low    func()
}

func (c *tub) Send(chunk []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits += uint64(len(chunk))
	c.chunks = append(c.chunks, string(chunk))
	return nil
}

func (c *tub) BufferedAmount() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waits
}

func (c *tub) SetBufferedAmountLowThreshold(uint64) {}
func (c *tub) OnBufferedAmountLow(call func())      { c.low = call }

// take takes so many bytes out.
func (c *tub) take(n uint64) {
	c.mu.Lock()
	c.waits -= n
	c.mu.Unlock()
	c.low()
}

// hub returns a room with neighbours whose connections are tubs, where others pass messages on. The test is the room's goroutine.
func hub(t *testing.T, neighbours int) (*Room, []*tub) {
	t.Helper()
	cfg, err := Config{Channels: map[string]ChannelOptions{"chat": {}, "carets": {LatestOnly: true}}}.resolved()
	if err != nil {
		t.Fatal(err)
	}
	room := &Room{cfg: cfg, peers: map[string]*Peer{}, inbox: make(chan func()), over: make(chan struct{})}
	room.id = "hub"
	room.lobby.arrived = make(chan struct{}, 1)
	room.mesh = room.newMesh()
	tubs := make([]*tub, neighbours)
	for i := range tubs {
		id := fmt.Sprint("peer", i)
		p := &Peer{room: room, id: id, instance: id + mesh.Mark, open: map[string]*pipe{}, change: make(chan struct{})}
		p.view.entry = client.Peer{ID: id}
		p.health, p.view.listed = connected, true
		p.connection = &connection{pulse: &pulse{}, negotiation: &negotiation{over: make(chan struct{})}}
		room.put(p)
		tubs[i] = &tub{}
		pipe := p.newPipe("chat")
		pipe.attach(tubs[i], room.start)
		p.opened(pipe)
		room.look(p)
	}
	t.Cleanup(func() {
		close(room.over)
		for _, p := range room.peers {
			p.shut(ErrClosed, true)
		}
		room.work.Wait()
	})
	return room, tubs
}

func TestBroadcastsWaitForNeighboursThatTakeWhatWaitsAndForNoOthers(t *testing.T) {
	const fullOf = passMost + 1
	for says, c := range map[string]struct {
		full   int // of three neighbours
		takes  uint64
		waits  time.Duration
		endure bool
	}{
		"for none when there is room":                      {},
		"a second for one that takes nothing":              {full: 1, waits: stallLimit},
		"no longer for two of them":                        {full: 2, waits: stallLimit},
		"for one that takes a little now and then":         {full: 1, takes: 100, endure: true},
		"for any when all take nothing, or all would miss": {full: 3, endure: true},
	} {
		t.Run(says, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				room, tubs := hub(t, 3)
				for _, tub := range tubs[:c.full] {
					tub.waits = fullOf + 100_000
				}
				began := time.Now()
				for room.broadcast("chat", []byte("hello")) == full && time.Since(began) < 20*time.Second {
					time.Sleep(fullPause)
					if time.Since(began)%(500*time.Millisecond) == 0 {
						tubs[0].take(c.takes)
					}
				}
				took := time.Since(began)
				if c.endure != (took >= 20*time.Second) || !c.endure && (took < c.waits || took > c.waits+10*fullPause) {
					t.Errorf("it waited for %v", took)
				}
				synctest.Wait()
				for i, tub := range tubs {
					if gave := len(tub.chunks) == 1; gave != (!c.endure && i >= c.full) {
						t.Errorf("neighbour %d was given %q", i, tub.chunks)
					}
				}
				if room.broadcast("carets", []byte("here")) != given {
					t.Error("where only the latest is kept it waits, too")
				}
			})
		})
	}
}

func TestAMessageOfAnySizeIsGivenToANeighbourForWhomLittleWaits(t *testing.T) {
	room, tubs := hub(t, 2)
	tubs[0].waits = 100
	room.mesh.Broadcast("chat", make([]byte, 2<<20))
	for _, p := range room.peers {
		if p.Buffered() < 2<<20 {
			t.Errorf("%d bytes wait for %s", p.Buffered(), p)
		}
	}
}

func TestWhatIsPassedOnDoesNotOvertakeWhatWentStraightNorTheOtherWayRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room, tubs := hub(t, 14)
		straight := func(text string) {
			for _, p := range room.peers {
				if err := p.open["chat"].write(t.Context(), []byte(text), nil, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		wait := func(do func() bool) time.Duration {
			began := time.Now()
			for !do() && time.Since(began) < time.Minute {
				time.Sleep(fullPause)
				turn(room)
			}
			return time.Since(began)
		}
		floods := func(text string) func() bool {
			return func() bool { return room.broadcast("chat", []byte(text)) == given }
		}
		straight("straight")
		room.spread()
		if !room.Meshed() || !room.floods.Load() {
			t.Fatal("it is not meshed")
		}
		straight("more, later")
		for i, tub := range tubs {
			tub.take(uint64(len("straight"))) // and one byte is missing
			if i > 0 {
				tub.take(1)
			}
		}
		if floods("passed")() {
			t.Error("it overtakes")
		}
		tubs[0].take(1)
		if took := wait(floods("passed")); took < clearTime || took > 2*clearTime {
			t.Errorf("what has arrived, but for what was written later, is waited for %v", took)
		}
		for _, tub := range tubs {
			tub.take(tub.BufferedAmount())
		}
		turn(room)

		for i := range 5 {
			room.remove(room.peers[fmt.Sprint("peer", i)], Lost)
		}
		if room.Meshed() || !room.floods.Load() {
			t.Fatal("messages go straight at once")
		}
		if took := wait(func() bool { return !room.floods.Load() }); took < nearAfter || took > 2*nearAfter {
			t.Errorf("messages go straight after %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		room, tubs := hub(t, 14)
		if err := room.peers["peer3"].open["chat"].write(t.Context(), []byte("straight"), nil, nil); err != nil {
			t.Fatal(err)
		}
		room.spread()
		began := time.Now()
		for room.broadcast("chat", []byte("passed")) != given {
			time.Sleep(fullPause)
			turn(room)
		}
		if took := time.Since(began); took < nearAfter || took > nearAfter+time.Second || len(tubs) == 0 {
			t.Errorf("one that takes nothing holds the others up for %v", took)
		}
	})
}

// turn has the room's goroutine, which is the test's, do what is due.
func turn(room *Room) {
	synctest.Wait()
	for {
		select {
		case do := <-room.inbox:
			do()
			synctest.Wait()
		default:
			return
		}
	}
}

func TestLeavingWaitsUntilOthersHavePassedOnWhatTheyWereGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room, _ := hub(t, 3)
		if room.isPassing() {
			t.Error("nothing was given")
		}
		if room.broadcast("chat", []byte("bye")) != given || !room.isPassing() {
			t.Error("it is given, and not waited for")
		}
		time.Sleep(passTime)
		if room.isPassing() {
			t.Error("it is waited for too long")
		}
	})
}
