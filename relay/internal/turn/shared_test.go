package turn

import (
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// Engines of one relay run at the same time, and what they share holds together; this is for the race
// detector.
func TestEnginesShareSafely(t *testing.T) {
	shared := NewShared(Limits{AllocationsPerUser: 50, Bits: 1 << 40})
	const engines = 4
	labs := make([]*lab, engines)
	tokens := make(chan stun.Setter, engines*100)
	ids := make(chan uint32, engines*100)
	for i := range labs {
		labs[i] = newLab(t, setup{change: func(c *Config) { c.Shared, c.Index, c.AnswersPerSource = shared, i, 1e6 }})
		labs[i].shared = shared
		labs[i].engines[0].next = uint16(50000 + 2000*i)
		c := &labs[i].engines[0].cfg
		c.Sink = elsewhere{labs[i].engines[0]}
		labs[i].engines[0].sink = c.Sink
	}
	const rounds = 20
	var hours [rounds / 5]sync.WaitGroup // which pass for all at once: there is one clock
	for i := range hours {
		hours[i].Add(engines)
	}
	var running sync.WaitGroup
	for i, l := range labs {
		running.Go(func() {
			b := l.engines[0]
			for n := range rounds {
				u := l.user("alice", UDP)
				m := u.must(stun.MethodAllocate, transport(protocolUDP), attr(stun.AttrEvenPort, 0x80))
				at := addrIn(t, m, stun.AttrXORRelayedAddress)
				token, _ := m.Get(stun.AttrReservationToken)
				tokens <- attr(stun.AttrReservationToken, append([]byte(nil), token...)...)
				v := l.user("alice", UDP)
				v.request(stun.MethodAllocate, transport(protocolUDP), <-tokens)
				u.permit(at)
				for j := range labs { // a packet for whoever may be there
					to := at
					to = addrPlus(to, 2000*(j-i))
					u.permit(to)
					u.raw(build(stun.MethodSend, stun.ClassIndication, peer(to), attr(stun.AttrData, 1)))
				}
				w, _ := l.tcpUser("bob", TCP)
				w.once(stun.MethodConnect, peer(peerA))
				b.Connected(l.now, b.dialed[len(b.dialed)-1].id)
				ids <- b.dialed[len(b.dialed)-1].id
				x := l.user("bob", TLS)
				// 400 is for a connection that has ended with its allocation meanwhile.
				if got := codeOf(x.once(stun.MethodConnectionBind, connectionID(<-ids))); got != 0 && got != 400 {
					t.Errorf("ConnectionBind: %d", got)
				}
				b.Carried(l.now, x.effect.Bound, true, 1)
				b.Disconnected(x.effect.Bound)
				if n%5 == 4 {
					shared.Revoke("carol", l.now, l.now.Add(time.Minute))
					shared.Drain(false)
					hours[n/5].Done()
					hours[n/5].Wait()
					l.pass(time.Hour)
				}
				if shared.Live() > engines*200 {
					t.Error("too many live")
				}
				b.Gone(u.client)
				b.Gone(v.client)
				b.Gone(w.client)
			}
		})
	}
	running.Wait()
	for _, l := range labs {
		l.engines[0].Close()
	}
	for _, l := range labs {
		l.idle()
	}
}
