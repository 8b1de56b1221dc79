package turn

import (
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestWhyAllocationsEnd(t *testing.T) {
	guess := func(u *requester) {
		u.password = "guess"
		if got := codeOf(u.request(stun.MethodRefresh)); got != 401 {
			u.t.Errorf("with another password: %d, want 401", got)
		}
		u.password = "secret"
	}
	for name, test := range map[string]struct {
		end  func(l *lab, u *requester)
		want string
	}{
		"given back":                    {func(_ *lab, u *requester) { u.once(stun.MethodRefresh, lifetime(0)) }, "client"},
		"not refreshed":                 {func(l *lab, _ *requester) { l.pass(10 * time.Minute) }, "expired"},
		"refused the refresh":           {func(l *lab, u *requester) { guess(u); l.pass(10 * time.Minute) }, "denied"},
		"refused once, and known later": {func(l *lab, u *requester) { guess(u); u.must(stun.MethodRefresh); l.pass(10 * time.Minute) }, "expired"},
		"over the longest session": {func(l *lab, u *requester) {
			l.pass(9 * time.Minute)
			u.must(stun.MethodRefresh)
			l.pass(6 * time.Minute)
		}, "session"},
		"the user is revoked":  {func(_ *lab, u *requester) { u.b.Revoke("alice") }, "revoked"},
		"the connection ends":  {func(_ *lab, u *requester) { u.b.Gone(u.client) }, "connection"},
		"the engine is closed": {func(_ *lab, u *requester) { u.b.Close() }, "closed"},
		"expired, and a request finds it": {func(l *lab, u *requester) {
			l.now = l.now.Add(10 * time.Minute)
			u.request(stun.MethodRefresh, lifetime(0))
		}, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{change: func(c *Config) { c.MaxSession = 15 * time.Minute }})
			u := l.user("alice", TCP)
			u.allocate()
			if live, _ := u.b.Allocation(u.client); live.End.String() != "" {
				t.Errorf("it ended for %q while it lives", live.End)
			}
			test.end(l, u)
			if len(u.b.infos) != 1 || u.b.infos[0].End.String() != test.want {
				t.Errorf("told of %+v, want the reason %q", u.b.infos, test.want)
			}
		})
	}
}
