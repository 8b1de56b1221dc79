package turn

import (
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// RFC 8656 sections 7.2 and 8.2.
func TestLifetimes(t *testing.T) {
	for name, test := range map[string]struct {
		ask  []stun.Setter
		want uint32
	}{
		"LIFETIME is missing":         {nil, 600},
		"less than the default":       {[]stun.Setter{lifetime(1)}, 600},
		"between default and maximum": {[]stun.Setter{lifetime(1800)}, 1800},
		"more than the maximum":       {[]stun.Setter{lifetime(3601)}, 3600},
		"all bits":                    {[]stun.Setter{lifetime(0xFFFFFFFF)}, 3600},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{})
			u := l.user("alice", UDP)
			m := u.must(stun.MethodAllocate, append(test.ask, transport(protocolUDP))...)
			if got := lifetimeIn(t, m); got != test.want {
				t.Errorf("Allocate: %d s, want %d", got, test.want)
			}
			l.pass(500 * time.Second)
			if got := lifetimeIn(t, u.must(stun.MethodRefresh, test.ask...)); got != test.want {
				t.Errorf("Refresh: %d s, want %d", got, test.want)
			}
			l.pass(time.Duration(test.want)*time.Second - time.Millisecond)
			if u.b.Len() != 1 {
				t.Error("the allocation ended early")
			}
			l.pass(time.Millisecond)
			if u.b.Len() != 0 {
				t.Error("the allocation did not end")
			}
			l.idle()
			if len(u.b.infos) != 1 || u.b.infos[0].User != "alice" {
				t.Errorf("Ended was told %+v", u.b.infos)
			}
		})
	}
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	if got := lifetimeIn(t, u.must(stun.MethodAllocate, transport(protocolUDP), lifetime(0))); got != 600 {
		t.Errorf("Allocate with a LIFETIME of 0: %d s, want 600", got)
	}
	if m := u.once(stun.MethodRefresh, lifetime(0)); codeOf(m) != 0 || lifetimeIn(t, m) != 0 {
		t.Errorf("Refresh with a LIFETIME of 0: %v, want success and 0", m)
	}
	l.idle()
	if got := codeOf(u.request(stun.MethodRefresh, lifetime(0))); got != 437 {
		t.Errorf("deleting what is gone: %d, want 437", got)
	}
	if got := codeOf(u.request(stun.MethodRefresh, attr(stun.AttrLifetime, 0))); got != 437 {
		t.Errorf("437 comes before the method's own checks: %d", got)
	}
	u.allocate()
	if got := codeOf(u.request(stun.MethodRefresh, attr(stun.AttrLifetime, 0))); got != 400 {
		t.Errorf("LIFETIME of one byte: %d, want 400", got)
	}
}

// An allocation that has expired does not count, however late Expire is called.
func TestNothingDependsOnExpire(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	relayed := u.allocate()
	u.permit(peerA)
	u.bind(0x4000, peerA)
	r := u.b.relayAt(relayed)
	l.now = l.now.Add(600 * time.Second)
	u.raw([]byte{0x40, 0, 0, 0})
	u.b.FromPeer(l.now, r, peerA, []byte("late"))
	u.b.drops(map[string]uint64{"no-allocation": 1, "closed": 1})
	if got := codeOf(u.once(stun.MethodRefresh)); got != 437 {
		t.Errorf("Refresh: %d, want 437", got)
	}
	l.idle()
}

// RFC 8656 section 8.2: Refresh with a family touches that half.
func TestRefreshOfAHalf(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	u.allocate(additional(IPv6))
	l.pass(500 * time.Second)
	u.must(stun.MethodRefresh, family(IPv6))
	l.pass(100 * time.Second)
	if len(u.b.open) != 1 || u.b.Len() != 1 {
		t.Fatalf("%d sockets and %d allocations, want one of each: IPv4 was not refreshed", len(u.b.open), u.b.Len())
	}
	for name, test := range map[string]struct {
		setter stun.Setter
		want   int
	}{
		"the half that is gone": {family(IPv4), 443},
		"a family of no number": {family(7), 443},
		"family 0":              {family(0), 443},
		"a malformed one":       {attr(stun.AttrRequestedAddressFamily, 2), 400},
		"the half that is left": {family(IPv6), 0},
	} {
		if got := codeOf(u.request(stun.MethodRefresh, test.setter)); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	if got := codeOf(u.once(stun.MethodRefresh, family(IPv6), lifetime(0))); got != 0 {
		t.Errorf("deleting the last half: %d, want success", got)
	}
	l.idle()

	v := l.user("bob", UDP)
	v.allocate(additional(IPv6))
	v.bind(0x4000, peerA)
	v.once(stun.MethodRefresh, family(IPv4), lifetime(0))
	v.permit(peer6)
	v.b.out = nil
	v.raw([]byte{0x40, 0, 0, 0})
	v.b.drops(map[string]uint64{"no-permission": 1})
	if len(v.b.out) != 0 {
		t.Error("relayed by the half that is gone")
	}
	if got := codeOf(v.request(stun.MethodCreatePermission, peer(peerA))); got != 443 {
		t.Errorf("an IPv4 peer after IPv4 was deleted: %d, want 443", got)
	}
	v.once(stun.MethodRefresh, lifetime(0))
	l.idle()
}

// Credentials end: at Allocate, by revocation, with --strict-expiry, and with the session.
func TestCredentialsEnd(t *testing.T) {
	t.Run("a live allocation outlives its credential, but makes no other", func(t *testing.T) {
		l := newLab(t, setup{})
		u := l.user("late", UDP)
		u.allocate(lifetime(3600))
		l.pass(59*time.Minute + 50*time.Second)
		u.must(stun.MethodRefresh, lifetime(3600))
		l.pass(10 * time.Second)
		u.nonce = nil
		if got := codeOf(u.answer(build(stun.MethodRefresh, stun.ClassRequest))); got != 401 {
			t.Fatalf("Refresh, not signed: %d", got)
		}
		u.challenge()
		u.must(stun.MethodRefresh)
		u.permit(peerA)
		if got := codeOf(u.request(stun.MethodAllocate, transport(protocolUDP))); got != 437 {
			t.Errorf("another Allocate there: %d, want 437", got)
		}
		v := l.user("late", UDP)
		if got := codeOf(v.request(stun.MethodAllocate, transport(protocolUDP))); got != 401 {
			t.Errorf("Allocate elsewhere: %d, want 401", got)
		}
		if got := u.b.counters.Refusals()["expired"]; got != 2 {
			t.Errorf("%d refusals as expired, want 2", got)
		}
	})
	t.Run("strict expiry ends it on time", func(t *testing.T) {
		l := newLab(t, setup{change: func(c *Config) { c.StrictExpiry = true }})
		u := l.user("late", UDP)
		u.allocate(lifetime(3600))
		l.pass(50 * time.Minute)
		if got := lifetimeIn(t, u.must(stun.MethodRefresh, lifetime(3600))); got != 600 {
			t.Errorf("Refresh 10 minutes before: %d s, want 600", got)
		}
		l.pass(10*time.Minute - time.Millisecond)
		if u.b.Len() != 1 {
			t.Error("ended early")
		}
		l.pass(time.Millisecond)
		l.idle()
	})
	t.Run("less than a second left is told as one", func(t *testing.T) {
		l := newLab(t, setup{change: func(c *Config) { c.StrictExpiry = true }})
		u := l.user("late", UDP)
		l.pass(time.Hour - time.Millisecond)
		if got := lifetimeIn(t, u.must(stun.MethodAllocate, transport(protocolUDP))); got != 1 {
			t.Errorf("got %d s, want 1", got)
		}
		l.pass(time.Millisecond)
		l.idle()
	})
	t.Run("no session is longer than allowed", func(t *testing.T) {
		l := newLab(t, setup{change: func(c *Config) { c.MaxSession = 15 * time.Minute }})
		u := l.user("alice", UDP)
		u.allocate()
		l.pass(9 * time.Minute)
		if got := lifetimeIn(t, u.must(stun.MethodRefresh, lifetime(3600))); got != 360 {
			t.Errorf("got %d s, want 360", got)
		}
		l.pass(6 * time.Minute)
		l.idle()
	})
	t.Run("revocation ends it at once, and is remembered", func(t *testing.T) {
		l := newLab(t, setup{})
		u, v := l.user("alice", UDP), l.user("bob", UDP)
		u.allocate()
		v.allocate()
		l.shared.Revoke("alice", l.now, l.now.Add(30*time.Minute))
		if got := u.b.Revoke("alice"); got != 1 || u.b.Len() != 1 {
			t.Errorf("%d ended and %d left, want one of each", got, u.b.Len())
		}
		if got := codeOf(u.request(stun.MethodAllocate, transport(protocolUDP))); got != 401 {
			t.Errorf("Allocate: %d, want 401", got)
		}
		if got := u.b.counters.Refusals()["revoked"]; got != 2 {
			t.Errorf("%d refusals as revoked, want 2", got)
		}
		v.must(stun.MethodRefresh)
		l.pass(30 * time.Minute)
		u.allocate()
		l.shared.Revoke("carol", l.now, l.now.Add(time.Hour))
		if len(l.shared.revoked) != 1 {
			t.Errorf("%d revocations remembered, want 1", len(l.shared.revoked))
		}
	})
}
