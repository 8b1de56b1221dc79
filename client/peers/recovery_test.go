package peers

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// rescue is a recovery that notes what it does, and when.
type rescue struct {
	recovery
	began time.Time
	calls chan func() // that are due
	did   []string
	first bool
	deaf  bool // nobody can be reached
}

func newRescue(first bool) *rescue {
	r := &rescue{began: time.Now(), calls: make(chan func(), 10), first: first}
	note := func(what string) func() {
		return func() { r.did = append(r.did, fmt.Sprintf("%s %v", what, time.Since(r.began))) }
	}
	r.recovery = recovery{
		after: func(delay time.Duration, call func()) func() {
			timer := time.AfterFunc(delay, func() { r.calls <- call })
			return func() { timer.Stop() }
		},
		health: connected, restart: note("restart"), renew: note("renew"),
		isFirst:   func() bool { return r.first },
		canSignal: func() bool { return !r.deaf },
	}
	return r
}

// pass lets time pass, and does what is due.
func (r *rescue) pass(d time.Duration) {
	for over := time.After(d); ; {
		select {
		case call := <-r.calls:
			call()
		case <-over:
			return
		}
	}
}

func TestRecovery(t *testing.T) {
	for name, c := range map[string]struct {
		first bool
		do    func(r *rescue)
		want  []string
	}{
		"who is first begins at once":        {true, func(r *rescue) { r.update(none) }, []string{"renew 0s", "renew 3s", "renew 9s"}},
		"the other asks when nothing came":   {false, func(r *rescue) { r.update(none) }, []string{"renew 4s", "renew 7s"}},
		"a failure is mended at once":        {true, func(r *rescue) { r.update(failed) }, []string{"restart 0s", "restart 3s", "restart 9s"}},
		"a pause in the packets is borne":    {true, func(r *rescue) { r.update(disconnected); r.pass(time.Second); r.update(connected) }, nil},
		"a closed connection is begun anew":  {true, func(r *rescue) { r.update(gone) }, []string{"renew 1s", "renew 4s", "renew 10s"}},
		"another connection gets its time":   {true, func(r *rescue) { r.update(failed); r.pass(time.Second); r.recovery.began() }, []string{"restart 0s"}},
		"nothing is done while nobody hears": {true, func(r *rescue) { r.deaf = true; r.update(failed) }, nil},
		"and it is done as soon as they hear": {true, func(r *rescue) {
			r.deaf = true
			r.update(failed)
			r.pass(5 * time.Second)
			r.deaf = false
			r.signalingIsBack()
		}, []string{"restart 5s", "restart 8s"}},
		"what was refused is tried once more":  {true, func(r *rescue) { r.update(connecting); r.disturbed(time.Second) }, []string{"restart 1s", "restart 4s", "restart 10s"}},
		"nobody disturbs what is connected":    {true, func(r *rescue) { r.disturbed(time.Second) }, nil},
		"a stop is the end":                    {true, func(r *rescue) { r.update(gone); r.stop() }, nil},
		"what takes long is tried after 15 s":  {true, func(r *rescue) { r.update(connecting) }, nil},
		"the other waits 2 s more for a cure":  {false, func(r *rescue) { r.update(failed) }, []string{"restart 2s", "restart 5s"}},
		"connected for a while, all is forgot": {true, func(r *rescue) { r.update(failed); r.pass(time.Second); r.update(connected); r.update(failed) }, []string{"restart 0s", "restart 1s", "restart 4s", "restart 10s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRescue(c.first)
				c.do(r)
				r.pass(10*time.Second + 500*time.Millisecond - time.Since(r.began))
				r.stop()
				if !slices.Equal(r.did, c.want) {
					t.Errorf("it did %q, want %q", r.did, c.want)
				}
			})
		})
	}
}

func TestTheFourthAttemptIsAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRescue(true)
		r.update(failed)
		r.pass(2 * time.Minute)
		r.stop()
		want := []string{"restart 0s", "restart 3s", "restart 9s", "renew 21s", "restart 45s", "restart 1m15s", "restart 1m45s"}
		if !slices.Equal(r.did, want) {
			t.Errorf("it did %q, want %q", r.did, want)
		}
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline
		first := d.wait()
		d.set(time.Now().Add(time.Second))
		time.Sleep(500 * time.Millisecond)
		d.set(time.Now().Add(time.Second))
		time.Sleep(900 * time.Millisecond)
		if isClosed(first) {
			t.Error("a deadline that was moved has passed")
		}
		time.Sleep(200 * time.Millisecond)
		if !isClosed(first) || !isClosed(d.wait()) {
			t.Error("a deadline has not passed")
		}
		if d.set(time.Time{}); isClosed(d.wait()) {
			t.Error("what was taken back has passed")
		}
		if d.set(time.Now().Add(-time.Second)); !isClosed(d.wait()) {
			t.Error("the past has not passed")
		}
		d.set(time.Now().Add(time.Second))
		d.set(time.Time{})
		time.Sleep(2 * time.Second)
		if isClosed(d.wait()) {
			t.Error("what was taken back has passed")
		}
	})
}

func TestABulletinTellsWhatIsTrueAndNoMore(t *testing.T) {
	ada, bob := &Peer{id: "ada"}, &Peer{id: "bob"}
	var b bulletin
	for range 1000 {
		b.add(Joined{ada})
		b.add(Changed{ada})
		b.add(Left{ada, Lost})
		b.add(Changed{bob})
		b.add(LinkChanged{})
		b.add(Fault{bob, errors.New("x")})
	}
	b.add(Left{bob, ByLeaving})
	faults := 0
	var others []Event
	for _, e := range b.events {
		if _, is := e.(Fault); is {
			faults++
		} else {
			others = append(others, e)
		}
	}
	if want := []Event{LinkChanged{}, Left{bob, ByLeaving}}; faults != faultMost || !slices.Equal(others, want) {
		t.Errorf("%d faults and %v, want %v", faults, others, want)
	}
}
