package peers

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

// TestAChannelGoesOnWhileTheRoomGrowsAndShrinks has two talk all the time, who are connected at first, then reach each other through others, and are
// connected again.
func TestAChannelGoesOnWhileTheRoomGrowsAndShrinks(t *testing.T) {
	t.Parallel() // it waits most of the time
	limits := generous.Limits
	limits.PerAddress, limits.Peers, limits.JoinRate, limits.JoinBurst = 1000, 1000, 1000, 1000
	s := serve(t, signaling.Config{Limits: limits})
	cfg := Config{haste: 2}
	var members []*member
	for i := range 10 {
		members = append(members, s.join(string(rune('a'+i)), cfg))
	}
	far := func() (*member, *member) {
		for _, a := range members {
			for _, b := range members {
				if p := a.Peer(b.ID()); p != nil && p.Path().Kind == Mesh {
					return a, b
				}
			}
		}
		return nil, nil
	}
	// Who will be far is told by the rings alone, so another room of the same names tells.
	var guests []*member
	grow := func() {
		for _, name := range []string{"w", "x", "y", "z"} {
			guests = append(guests, s.join(name, cfg))
		}
	}
	for _, m := range members {
		for _, o := range members {
			if o != m {
				m.peer(o.ID())
			}
		}
	}
	grow()
	members[0].until("somebody is far", func() bool { a, _ := far(); return a != nil })
	a, b := far()
	shrink := func() {
		for _, g := range guests {
			if err := g.Leave(t.Context()); err != nil {
				t.Error(err)
			}
		}
		guests = nil
		direct := func(m, o *member) {
			m.until(o.ID()+" is connected again", func() bool { p := m.Peer(o.ID()); return p != nil && !m.Meshed() && p.Path().Kind == Direct })
		}
		direct(a, b)
		direct(b, a)
	}
	shrink()

	out, in := a.open(b.ID(), "chat"), b.open(a.ID(), "chat")
	stop := make(chan struct{})
	sent := make(chan uint32)
	go func() {
		n := uint32(0)
		for ; !isClosed(stop); n++ {
			if err := out.WriteMessage(t.Context(), binary.BigEndian.AppendUint32(nil, n)); err != nil {
				t.Errorf("message %d: %v", n, err)
				break
			}
			time.Sleep(time.Millisecond) // the pace
		}
		sent <- n
	}()
	received := make(chan uint32)
	go func() {
		n := uint32(0)
		for ; ; n++ {
			message, err := in.ReadMessage(t.Context())
			if err != nil || len(message) == 0 {
				if err != nil {
					t.Errorf("after %d: %v", n, err)
				}
				break
			}
			if got := binary.BigEndian.Uint32(message); got != n {
				t.Errorf("got %d, want %d", got, n)
				break
			}
		}
		received <- n
	}()
	grow()
	a.until("the other one is reached through others", func() bool { return a.Peer(b.ID()).Path().Kind == Mesh })
	b.until("so is this one", func() bool { return b.Peer(a.ID()).Path().Kind == Mesh })
	time.Sleep(500 * time.Millisecond) // of messages that others pass on
	shrink()
	time.Sleep(3 * time.Second) // until they go straight again, and some more
	close(stop)
	n := <-sent
	a.write(out, nil)
	if got := <-received; got != n {
		t.Errorf("%d arrived, of %d", got, n)
	}
	t.Logf("%d messages", n)
}
