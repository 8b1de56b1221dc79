package signaling_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/internal/memory"
	"github.com/parley-rtc/parley/signaling/store"
)

// relays is a hook whose answers are numbered.
type relays struct {
	ttl  time.Duration
	fail atomic.Bool

	mu    sync.Mutex
	asked []signaling.ICERequest
}

func (h *relays) serve(_ context.Context, r signaling.ICERequest) (signaling.ICE, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, r)
	if h.fail.Load() {
		return signaling.ICE{}, errors.New("no relays just now")
	}
	server := signaling.ICEServer{URLs: []string{"turn:relay.example"}, Username: fmt.Sprint(len(h.asked))}
	return signaling.ICE{Servers: []signaling.ICEServer{server}, TTL: h.ttl}, nil
}

func (h *relays) last() signaling.ICERequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[len(h.asked)-1]
}

func (h *relays) calls() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.asked)
}

// aged is a store whose sessions look as if they had joined earlier than they did.
type aged struct {
	store.Store
	by time.Duration
}

func (a aged) Attach(ctx context.Context, ref store.Ref, l store.Link) (store.Attached, error) {
	attached, err := a.Store.Attach(ctx, ref, l)
	attached.Age += a.by
	return attached, err
}

// servers returns the next ice frame.
func (d *duplex) servers() wire.Downlink {
	d.Helper()
	f := d.until(wire.KindICE)
	if len(f.ICEServers) != 1 || f.N != 0 {
		d.Fatalf("%s: the frame is %+v", d.kind, f)
	}
	return f
}

// pinged waits for a heartbeat.
func (d *duplex) pinged() {
	d.Helper()
	d.until(wire.KindPing)
}

// until returns the next frame of a kind.
func (d *duplex) until(kind string) wire.Downlink {
	d.Helper()
	for timeout := time.After(patience); ; {
		select {
		case f := <-d.frames:
			if f.Kind == kind {
				return f
			}
		case err := <-d.fault:
			d.fault <- err
			d.Fatalf("%s ended: %v", d.kind, err)
		case <-timeout:
			d.Fatalf("%s: no %s came", d.kind, kind)
		}
	}
}

func TestFreshServersComeAtHalfOfTheirLife(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			hook := &relays{ttl: 2 * time.Second}
			timing := signaling.Timing{Heartbeat: 500 * time.Millisecond, Lease: 2 * time.Second}
			s := serve(t, signaling.Config{ICEServers: hook.serve, Timing: timing})
			began := time.Now()
			alice := s.join("room", as("alice"))
			if alice.TTL != 2 || alice.ICEServers[0].Username != "1" {
				t.Errorf("the join's are %+v for %v s", alice.ICEServers, alice.TTL)
			}
			link := alice.linked(kind, -1)
			for i := 2; i <= 3; i++ {
				f := link.servers()
				if f.TTL != 2 || f.ICEServers[0].Username != fmt.Sprint(i) {
					t.Errorf("came %+v for %v s, want number %d", f.ICEServers, f.TTL, i)
				}
			}
			if took := time.Since(began); took < 1500*time.Millisecond {
				t.Errorf("twice within %v", took)
			}
			if ask := hook.last(); ask.Room != "room" || ask.Peer != "alice" || (ask.HTTP == nil) != (kind == "websocket" || kind == "events") {
				t.Errorf("the hook was asked %+v", ask)
			}
		})
	}
}

func TestALinkOfAnOldSessionOpensWithFreshServers(t *testing.T) {
	for _, kind := range kinds {
		for age, want := range map[time.Duration]bool{0: false, 2 * time.Minute: true} {
			t.Run(fmt.Sprint(kind, " after ", age), func(t *testing.T) {
				t.Parallel()
				hook := &relays{ttl: 12 * time.Hour}
				s := serve(t, signaling.Config{ICEServers: hook.serve, Store: aged{memory.New(), age}})
				bob := s.join("room", as("bob"))
				alice := s.join("room", as("alice"))
				link := alice.linked(kind, -1)
				if want {
					if f := link.servers(); f.ICEServers[0].Username != "3" || f.TTL != 43200 {
						t.Errorf("came %+v", f)
					}
				}
				// What follows an opening shows that nothing more comes.
				s.must(bob.linked("websocket", -1).send(1, `{"kind":"signal","to":"alice","data":1}`))
				link.next()
				if got := hook.calls(); !want && got != 2 {
					t.Errorf("the hook was asked %d times, want one for each join", got)
				}
			})
		}
	}
}

func TestAProbeGetsNoServersUntilItIsUsed(t *testing.T) {
	hook := &relays{ttl: 12 * time.Hour}
	s := serve(t, signaling.Config{ICEServers: hook.serve, Store: aged{memory.New(), time.Hour}, Timing: quick})
	alice := s.join("room", as("alice"))
	probe, err := alice.open("websocket", -1, true)
	s.must(err)
	defer probe.cut()
	for pings := 0; pings < 2; {
		if f := <-probe.frames; f.Kind == wire.KindPing {
			pings++
		} else if f.Kind == wire.KindICE {
			t.Fatal("a probe was given servers")
		}
	}
	s.must(probe.say(fmt.Sprintf(`{"kind":"use","link":%d,"after":0}`, probe.number)))
	probe.servers()
}

func TestARefreshBringsServersForItsTime(t *testing.T) {
	for _, kind := range []string{"websocket", "events", "long poll"} {
		t.Run(kind, func(t *testing.T) {
			hook := &relays{ttl: 12 * time.Hour}
			authenticate := func(r *http.Request) (signaling.Identity, error) {
				subject, life, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), " ")
				lives, err := time.ParseDuration(life)
				return signaling.Identity{Subject: subject, Expires: time.Now().Add(lives)}, err
			}
			s := serve(t, signaling.Config{ICEServers: hook.serve, Authenticate: authenticate})
			alice, r := s.try("room", ask(as("alice")), "Authorization", "Bearer u1 1h")
			if r.status != http.StatusCreated {
				t.Fatalf("join: %d %s", r.status, r.body)
			}
			near := func(what string, ask signaling.ICERequest, want time.Duration) {
				t.Helper()
				if left := time.Until(ask.Expires); ask.Subject != "u1" || left > want || left < want-time.Minute {
					t.Errorf("%s: the hook was asked for %q until %v from now, want %v", what, ask.Subject, left, want)
				}
			}
			near("join", hook.last(), time.Hour)
			link := alice.linked(kind, -1)
			refresh := func(n int64, token string) {
				t.Helper()
				frame := fmt.Sprintf(`{"kind":"refresh","token":%q}`, token)
				if kind == "websocket" {
					s.must(link.send(n, frame))
					return
				}
				reply, err := alice.post(wire.Post{First: n, Frames: []json.RawMessage{json.RawMessage(frame)}})
				s.must(err)
				for _, raw := range reply.Frames {
					var f wire.Downlink
					s.must(json.Unmarshal(raw, &f))
					link.frames <- f
				}
			}
			refresh(1, "u2 5h")
			if f := link.next(); f.Kind != wire.KindRefused || f.Code != wire.Forbidden {
				t.Errorf("another's token: %+v", f)
			}
			if got := hook.calls(); got != 1 {
				t.Errorf("the hook was asked %d times before the refresh", got)
			}
			refresh(2, "u1 3h")
			link.servers()
			near("refresh", hook.last(), 3*time.Hour)
			r = s.call("GET", alice.path+"/ice", nil, "Authorization", "Bearer "+alice.Secret)
			if r.status != http.StatusOK {
				t.Errorf("ice: %d %s", r.status, r.body)
			}
			near("ice", hook.last(), 3*time.Hour)
			if hook.last().HTTP == nil {
				t.Error("the hook is not shown the request")
			}
		})
	}
}

func TestAHookThatBlocksStopsNothing(t *testing.T) {
	asked, pushed := make(chan struct{}, 100), make(chan struct{})
	hook := func(ctx context.Context, r signaling.ICERequest) (signaling.ICE, error) {
		if r.HTTP == nil {
			asked <- struct{}{}
			<-ctx.Done()
			close(pushed)
			return signaling.ICE{}, ctx.Err()
		}
		return signaling.ICE{TTL: time.Hour}, nil
	}
	s := serve(t, signaling.Config{ICEServers: hook, Store: aged{memory.New(), time.Hour}, Timing: quick})
	alice := s.join("room", as("alice")).linked("websocket", -1)
	select {
	case <-asked:
	case <-time.After(patience):
		t.Fatal("the hook is not asked")
	}
	for range 2 {
		s.must(s.Send(t.Context(), "room", "alice", json.RawMessage("1")))
		alice.next()
	}
	s.must(s.Close())
	select {
	case <-pushed:
	default:
		t.Error("Close does not wait for the hook")
	}
	if len(asked) > 0 {
		t.Error("the hook is asked again before it has answered")
	}
}

func TestAFailedHookIsNoReasonToEnd(t *testing.T) {
	hook := &relays{ttl: time.Second}
	s := serve(t, signaling.Config{ICEServers: hook.serve, Timing: quick})
	alice := s.join("room", as("alice"))
	hook.fail.Store(true)
	link := alice.linked("websocket", -1)
	for deadline := time.Now().Add(patience); hook.calls() < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the hook is not asked")
		}
	}
	r := s.call("GET", alice.path+"/ice", nil, "Authorization", "Bearer "+alice.Secret)
	if r.refusal().Code != wire.Unavailable {
		t.Errorf("ice: %d %s", r.status, r.body)
	}
	s.must(s.Send(t.Context(), "room", "alice", json.RawMessage("1")))
	link.next()
}

// What a hook gives for a session that is kicked meanwhile is not handed out: whoever takes back what kicked peers were given
// may have done so already.
func TestAKickedSessionGetsNoServersThatComeTooLate(t *testing.T) {
	var kick atomic.Pointer[func()]
	hook := func(context.Context, signaling.ICERequest) (signaling.ICE, error) {
		if f := kick.Load(); f != nil {
			(*f)()
		}
		return signaling.ICE{Servers: []signaling.ICEServer{{URLs: []string{"turn:relay.example"}, Username: "late"}}}, nil
	}
	s := serve(t, signaling.Config{ICEServers: hook})
	alice := s.join("room", as("alice"))
	f := func() {
		if err := s.Disconnect(context.Background(), "room", "alice"); err != nil {
			t.Error(err)
		}
	}
	kick.Store(&f)
	r := s.call("GET", alice.path+"/ice", nil, "Authorization", "Bearer "+alice.Secret)
	if r.status == http.StatusOK || r.refusal().Code != wire.Kicked {
		t.Errorf("ice: %d %s", r.status, r.body)
	}
}

func TestPollsWaitThoughTheHookFails(t *testing.T) {
	hook := &relays{ttl: time.Hour}
	s := serve(t, signaling.Config{ICEServers: hook.serve, Store: aged{memory.New(), time.Hour}})
	alice := s.join("room", as("alice"))
	hook.fail.Store(true)
	began := time.Now()
	r := s.call("GET", alice.path+"/frames?after=0&wait=0.3", nil, "Authorization", "Bearer "+alice.Secret)
	if took := time.Since(began); r.status != http.StatusOK || took < 300*time.Millisecond || hook.calls() != 2 {
		t.Errorf("%d %s after %v, %d calls of the hook", r.status, r.body, took, hook.calls())
	}
}

// A node that never asked the hook does not know how long servers last; where each request meets a new process, none does.
func TestPollsWaitAtANodeThatNeverAskedTheHook(t *testing.T) {
	hook, rooms := &relays{ttl: time.Hour}, memory.New()
	alice := serve(t, signaling.Config{ICEServers: hook.serve, Store: rooms}).join("room", as("alice"))
	for i := range 3 {
		s := serve(t, signaling.Config{ICEServers: hook.serve, Store: rooms})
		query := "?wait=0.3"
		if i > 0 {
			query += "&link=1"
		}
		began := time.Now()
		r := s.call("GET", alice.path+"/frames"+query, nil, "Authorization", "Bearer "+alice.Secret)
		if took := time.Since(began); r.status != http.StatusOK || took < 300*time.Millisecond || !bytes.Contains(r.body, []byte(`"frames":[]`)) {
			t.Errorf("poll %d: %d %s after %v", i+1, r.status, r.body, took)
		}
	}
}

func TestServersThatChangedReachTheClientsOfTheirRooms(t *testing.T) {
	// Heartbeats are such that links last on a busy machine, too.
	timing := signaling.Timing{Heartbeat: time.Second, Lease: time.Minute}
	for _, kind := range []string{"websocket", "events"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			hook := &relays{ttl: 12 * time.Hour}
			s := serve(t, signaling.Config{ICEServers: hook.serve, Timing: timing})
			s.join("elsewhere", as("bob")).linked(kind, -1)
			alice := s.join("room", as("alice")).linked(kind, -1)
			for i := 3; i <= 4; i++ { // more than once
				s.RenewICE(func(room string) bool { return room == "room" })
				if f := alice.servers(); f.ICEServers[0].Username != fmt.Sprint(i) {
					t.Errorf("came %+v, want number %d", f, i)
				}
			}
			alice.pinged() // nothing comes with later heartbeats
			alice.pinged()
			if got := hook.calls(); got != 4 {
				t.Errorf("the hook was asked %d times, want one for each join and change", got)
			}
		})
	}
	t.Run("of a session without a link yet", func(t *testing.T) {
		t.Parallel()
		hook := &relays{ttl: 12 * time.Hour}
		s := serve(t, signaling.Config{ICEServers: hook.serve, Timing: timing})
		alice := s.join("room", as("alice"))
		s.RenewICE(func(string) bool { return true })
		if f := alice.linked("websocket", -1).servers(); f.ICEServers[0].Username != "2" {
			t.Errorf("came %+v", f)
		}
		s.join("room", as("bob")).linked("websocket", -1).pinged() // what it was given is newer
		if got := hook.calls(); got != 3 {
			t.Errorf("the hook was asked %d times, want one for each join and one more", got)
		}
	})
	s := serve(t, signaling.Config{})
	s.join("room", as("alice")).linked("websocket", -1)
	s.RenewICE(func(string) bool { t.Error("without servers there is nothing to renew"); return true })
}
