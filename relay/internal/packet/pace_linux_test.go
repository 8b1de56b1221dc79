//go:build amd64 || arm64

package packet

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

func TestANapIsForWhereMuchComes(t *testing.T) {
	for name, test := range map[string]struct {
		every time.Duration
		n     int // datagrams at once
		want  bool
	}{
		"6,000 a second, one by one":      {time.Second / 6000, 1, false},
		"6,000 a second, eight at once":   {8 * time.Second / 6000, 8, false},
		"30,000 a second, one by one":     {time.Second / 30_000, 1, true},
		"80,000 a second, eight at once":  {8 * time.Second / 80_000, 8, true},
		"100 a second, a hundred at once": {time.Second, 100, true}, // there may be more behind
		"one now and then":                {time.Second, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			var p pace
			if p.fast() {
				t.Error("it is fast before anything has come")
			}
			now := time.Now()
			for range 100 {
				now = now.Add(test.every)
				p.note(now, test.n)
			}
			if got := p.fast(); got != test.want {
				t.Errorf("fast is %v, a datagram every %v", got, p.gap)
			}
			for range 100 {
				now = now.Add(time.Second)
				p.note(now, 1)
			}
			if p.fast() {
				t.Error("it stays fast when little comes")
			}
		})
	}
}

func TestNapsAreLeftOutWhereNothingComesMeanwhile(t *testing.T) {
	var p pace
	now := time.Now()
	for range 100 {
		now = now.Add(8 * time.Second / 30_000)
		p.note(now, 8)
	}
	took := func(turns int, came bool) (naps int) {
		for range turns {
			if p.worthNap() {
				naps++
				p.napped(came)
			}
		}
		return naps
	}
	if naps := took(100, true); naps != 100 {
		t.Errorf("%d naps in 100 turns while something comes in each, want 100", naps)
	}
	took(20, false)
	if naps := took(10*luckless, false); naps != 10 {
		t.Errorf("%d naps in %d turns while nothing comes, want one in %d", naps, 10*luckless, luckless)
	}
	took(10*luckless, true)
	if naps := took(100, true); naps != 100 {
		t.Errorf("%d naps in 100 turns after something came again, want 100", naps)
	}
}

// Of a socket at which the kernel puts many datagrams together, no more are handled in a turn than of others.
func TestATurnTakesAShareOfWhatComesTogether(t *testing.T) {
	var got, most, turns atomic.Int64
	g := NewGroup(Offload, func(_ *Outbox, arrivals []Arrival) {
		n := int64(0)
		for _, a := range arrivals {
			n += int64(len(a.Datagrams))
		}
		if turns.Add(1) > 1 { // the first shows how many come together
			most.Store(max(most.Load(), n))
		}
		got.Add(n)
	}, nil)
	t.Cleanup(func() { _ = g.Close() })
	to, err := g.Bind(netip.AddrPortFrom(localhost, 0), Options{Receive: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	from := bound(t, Offload)
	if from.batch.segment.Load() == 0 {
		t.Skip("the kernel has no UDP_SEGMENT")
	}
	to.prepare()
	send := func(n int) {
		out := NewOutbox(func(_ *Socket, n int, err error) { t.Errorf("%d lost: %v", n, err) })
		for range n {
			out.Add(from, Message{To: to.Addr(), Body: make([]byte, 50)})
		}
		out.Flush()
	}
	wait := func(want int64) {
		t.Helper()
		for deadline := time.Now().Add(patience); got.Load() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d came, want %d", got.Load(), want)
			}
		}
	}
	if err := g.Start(to, nil); err != nil {
		t.Fatal(err)
	}
	send(maxSegments)
	wait(maxSegments)
	const sent = 40 * maxSegments
	send(sent)
	wait(maxSegments + sent)
	// It would be 32 times what came together else. The share lags behind where some come alone.
	if most.Load() > 4*maxSegments {
		t.Errorf("%d datagrams were handled in one turn, want at most %d", most.Load(), 4*maxSegments)
	}
}
