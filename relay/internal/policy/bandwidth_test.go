package policy

import (
	"math"
	"net/netip"
	"testing"
	"time"
)

// pour offers packets evenly for a time, twice as many as may go unless pace says more, and returns the bytes that went.
func pour(k *Bucket, from time.Time, lasting time.Duration, size int, every time.Duration) (bytes int) {
	for at := time.Duration(0); at < lasting; at += every {
		if k.Take(size, from.Add(at)) {
			bytes += size
		}
	}
	return bytes
}

var (
	here = netip.MustParseAddr("192.0.2.1")
	t0   = time.Unix(1_795_000_000, 0)
)

func TestWhatGoesIsTheLimit(t *testing.T) {
	for name, c := range map[string]struct {
		bits  int64
		size  int
		every time.Duration
	}{
		"large packets":          {8_000_000, 1200, time.Millisecond / 2},
		"small packets":          {1_000_000, 100, 100 * time.Microsecond},
		"a flood":                {8_000_000, 1200, 10 * time.Microsecond},
		"a low limit":            {64_000, 160, time.Millisecond},
		"the largest, and a low": {64_000, 1600, time.Millisecond},
	} {
		b := NewBandwidth(c.bits)
		k := b.Enter(here, t0)
		pour(k, t0, 5*time.Second, c.size, c.every) // the burst is gone then
		got := float64(pour(k, t0.Add(5*time.Second), 10*time.Second, c.size, c.every)) * 8 / 10
		if math.Abs(got-float64(c.bits)) > float64(c.bits)*.03 {
			t.Errorf("%s: %.0f bits in a second went, want %d", name, got, c.bits)
		}
	}
}

func TestAQuietClientMaySendABurst(t *testing.T) {
	b := NewBandwidth(8_000_000)
	k := b.Enter(here, t0)
	if got := pour(k, t0, time.Microsecond*1000, 1000, time.Microsecond); got != 500_000 {
		t.Errorf("%d bytes went at once, want half a second's", got)
	}
	if got := pour(k, t0.Add(time.Hour), time.Microsecond*1000, 1000, time.Microsecond); got != 500_000 {
		t.Errorf("%d bytes went at once after an hour", got)
	}
}

func TestAStreamWaitsForWhatItOwes(t *testing.T) {
	k := NewBandwidth(8_000_000).Enter(here, t0)
	if got := k.Spend(500_000, t0); got != 0 {
		t.Errorf("the burst costs %v", got)
	}
	if got := k.Spend(100_000, t0); got != 100*time.Millisecond {
		t.Errorf("a tenth of a second's costs %v", got)
	}
	if k.Take(1, t0.Add(100*time.Millisecond)) || !k.Take(1, t0.Add(101*time.Millisecond)) {
		t.Error("packets of the same address do not wait with it")
	}
	if got := (*Bucket)(nil).Spend(1<<30, t0); got != 0 {
		t.Errorf("without a limit it costs %v", got)
	}
}

func TestAllocationsOfAnAddressShareALimit(t *testing.T) {
	b := NewBandwidth(8_000_000)
	first := b.Enter(here, t0)
	if second := b.Enter(netip.MustParseAddr("::ffff:192.0.2.1"), t0); second != first {
		t.Error("the same address in IPv6 form has a bucket of its own")
	}
	if b.Enter(netip.MustParseAddr("192.0.2.2"), t0) == first {
		t.Error("another address shares the bucket")
	}
	six := b.Enter(netip.MustParseAddr("2001:db8:1:2::1"), t0)
	if b.Enter(netip.MustParseAddr("2001:db8:1:2:ffff::9"), t0) != six {
		t.Error("the same /64 has another bucket")
	}
	if b.Enter(netip.MustParseAddr("2001:db8:1:3::1"), t0) == six {
		t.Error("another /64 shares the bucket")
	}
	pour(first, t0, time.Millisecond, 1000, time.Microsecond)
	first.Leave()
	first.Leave()
	if again := b.Enter(here, t0); again.Take(16_000, t0) {
		t.Error("a new allocation is a new burst")
	}
}

func TestTheTableIsBounded(t *testing.T) {
	b := NewBandwidth(8_000_000)
	live := b.Enter(here, t0)
	for i := range 10 * maxIdle {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		k := b.Enter(addr, t0)
		if i%2 == 0 {
			k.Take(1000, t0) // it is not full when it leaves
		}
		k.Leave()
		if len(b.buckets) > maxIdle+2 {
			t.Fatalf("%d addresses are remembered", len(b.buckets))
		}
	}
	if b.idle != len(b.buckets)-1 || b.buckets[here] != live {
		t.Errorf("%d idle of %d, and the one in use is there: %v", b.idle, len(b.buckets), b.buckets[here] == live)
	}
}

func TestWithoutALimitEverythingGoes(t *testing.T) {
	b := NewBandwidth(0)
	k := b.Enter(here, t0)
	if !k.Take(1<<30, t0) {
		t.Error("it does not")
	}
	k.Leave()
}

func TestTakingAllocatesNothing(t *testing.T) {
	k := NewBandwidth(8_000_000).Enter(here, t0)
	if n := testing.AllocsPerRun(100, func() { k.Take(100, t0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
