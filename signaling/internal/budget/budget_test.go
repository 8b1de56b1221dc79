package budget

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestRate(t *testing.T) {
	type step struct {
		pass   time.Duration // before it
		amount int
		wait   time.Duration
	}
	for name, c := range map[string]struct {
		rate  Rate
		steps []step
	}{
		"a burst, and then as much as is paid for":  {Rate{10, 20}, []step{{0, 15, 0}, {0, 5, 0}, {0, 1, 100 * time.Millisecond}, {100 * time.Millisecond, 1, 0}, {0, 1, 100 * time.Millisecond}}},
		"what was refused costs nothing":            {Rate{10, 20}, []step{{0, 20, 0}, {0, 10, time.Second}, {0, 10, time.Second}, {time.Second, 10, 0}}},
		"rest fills it up to the burst and no more": {Rate{10, 20}, []step{{0, 20, 0}, {time.Hour, 20, 0}, {0, 1, 100 * time.Millisecond}}},
		"more than the burst counts as the burst":   {Rate{10, 20}, []step{{0, 1000, 0}, {0, 1000, 2 * time.Second}, {2 * time.Second, 1000, 0}}},
		"without a rate there is no bound":          {Rate{0, 0}, []step{{0, 1 << 40, 0}, {0, 1 << 40, 0}}},
		"nothing costs nothing":                     {Rate{10, 20}, []step{{0, 20, 0}, {0, 0, 0}}},
		"great amounts do not overflow":             {Rate{1, 1 << 60}, []step{{0, 1 << 60, 0}, {0, 1, time.Second}}},
	} {
		t.Run(name, func(t *testing.T) {
			var account time.Time
			now := time.Now()
			for i, s := range c.steps {
				now = now.Add(s.pass)
				var wait time.Duration
				if account, wait = c.rate.Take(account, now, s.amount); wait != s.wait {
					t.Errorf("step %d: wait is %v, want %v", i, wait, s.wait)
				}
			}
		})
	}
}

func TestTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable(Rate{PerSecond: 2, Burst: 3})
		admitted := func(key string, times int) (n int) {
			for range times {
				if table.Take(netip.MustParseAddr(key), 1) == 0 {
					n++
				}
			}
			return n
		}
		if got := admitted("203.0.113.1", 10); got != 3 {
			t.Errorf("%d at once, want the burst of 3", got)
		}
		if got := admitted("203.0.113.2", 10); got != 3 {
			t.Errorf("another key: %d at once, want 3", got)
		}
		if got := table.Take(netip.MustParseAddr("203.0.113.1"), 1); got != 500*time.Millisecond {
			t.Errorf("to wait %v, want 500ms", got)
		}
		time.Sleep(time.Second)
		if got := admitted("203.0.113.1", 10); got != 2 {
			t.Errorf("%d after a second, want 2", got)
		}
	})
}

func TestFewSufferFromManyWhoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable(Rate{PerSecond: 1, Burst: 4})
		for n := range 1000 {
			for range 8 {
				table.Take(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 1)
			}
		}
		refused := 0
		for n := range 1000 {
			if table.Take(netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), 1) > 0 {
				refused++
			}
		}
		if refused > 20 { // about 4 of 1,000 by chance
			t.Errorf("%d of 1,000 others are refused", refused)
		}
	})
}

func TestTakingAllocatesNothing(t *testing.T) {
	table := NewTable(Rate{PerSecond: 1, Burst: 1})
	if n := testing.AllocsPerRun(100, func() { table.Take(netip.AddrFrom4([4]byte{203, 0, 113, 7}), 1) }); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}
