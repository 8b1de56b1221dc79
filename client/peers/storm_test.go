package peers

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/signaling"
)

// TestNoPairIsStuck has peers join, restart and join again at random times, while signals take random times. In the end each
// pair has one connection. PARLEY_STORM is how many peers are in the room.
func TestNoPairIsStuck(t *testing.T) {
	t.Parallel() // it waits most of the time
	size, _ := strconv.Atoi(cmp.Or(os.Getenv("PARLEY_STORM"), "8"))
	limits := generous.Limits
	limits.PerAddress, limits.Peers, limits.JoinRate, limits.JoinBurst = 1000, 1000, 1000, 1000
	s := serve(t, signaling.Config{Limits: limits})
	s.delay.Store(func() { time.Sleep(rand.N(120 * time.Millisecond)) })
	members := make([]*member, size)
	var joins sync.WaitGroup
	for i := range members {
		joins.Go(func() {
			time.Sleep(rand.N(500 * time.Millisecond))
			link := []client.Link{client.LongPoll, client.ShortPoll, client.Auto}[i%3]
			members[i] = s.join(fmt.Sprintf("peer%02d", i), Config{Client: client.Options{Link: link}, NoMesh: true})
		})
	}
	joins.Wait()
	if t.Failed() {
		return
	}
	for range 6 * size {
		m := members[rand.N(size)]
		m.post(func() {
			for _, p := range m.peers {
				switch c := p.connection; {
				case c != nil && rand.N(4) == 0:
					c.restart()
				case rand.N(12) == 0:
					p.renew()
				}
			}
		})
		time.Sleep(rand.N(20 * time.Millisecond)) // part of the load
	}
	s.delay.Store(func() {})
	for i, a := range members {
		for _, b := range members[:i] {
			settled := func() bool {
				pa, pb := a.Peer(b.ID()), b.Peer(a.ID())
				return pa != nil && pb != nil && pa.State() == Connected && pb.State() == Connected &&
					a.generation(pa) == b.generation(pb)
			}
			a.until("it is connected with "+b.ID(), settled)
			// A connection may be replaced while the two talk: then they talk over the next one.
			a.until("it has talked with "+b.ID(), func() bool { return a.says(b) && b.says(a) })
		}
	}
}

func (m *member) generation(p *Peer) (g generation) {
	done := make(chan struct{})
	if m.post(func() { g = p.newest; close(done) }) {
		<-done
	}
	return g
}

// says sends something to another one, and returns whether it arrived.
func (m *member) says(to *member) bool {
	out, err := m.Peer(to.ID()).Open(m.t.Context(), "chat")
	if err != nil {
		return false
	}
	in, err := to.Peer(m.ID()).Open(m.t.Context(), "chat")
	if err != nil || out.WriteMessage(m.t.Context(), []byte("hello")) != nil {
		return false
	}
	_ = in.SetReadDeadline(time.Now().Add(10 * time.Second))
	defer in.SetReadDeadline(time.Time{})
	message, err := in.ReadMessage(m.t.Context())
	return err == nil && string(message) == "hello"
}
