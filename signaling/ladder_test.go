package signaling_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

// over runs a test for every kind of link.
func over(t *testing.T, cfg signaling.Config, test func(s *service, kind string)) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(serve(t, cfg), kind)
		})
	}
}

func to(p *peer, data string) string {
	return fmt.Sprintf(`{"kind":"signal","to":%q,"epoch":%d,"data":%s}`, p.Peer, p.Epoch, data)
}

func (s *service) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func TestOverEveryLinkPeersTalk(t *testing.T) {
	over(t, signaling.Config{}, func(s *service, kind string) {
		alice := s.join("room", as("alice")).linked(kind, -1)
		bob := s.join("room", as("bob")).linked(kind, -1)
		if f := alice.next(); f.Kind != wire.KindJoined || f.Peer != "bob" || f.N != 1 {
			s.Errorf("got %+v, want bob's joined", f)
		}
		s.must(bob.send(1, to(alice.peer, `"1"`), to(alice.peer, "[\n2]"), `{"kind":"change","name":"Bob"}`))
		for i, want := range []string{`"1"`, `[2]`} {
			if f := alice.next(); f.Kind != wire.KindSignal || f.From != "bob" || f.Epoch != bob.Epoch || string(f.Data) != want || f.N != int64(i+2) {
				s.Errorf("got %+v, want %s", f, want)
			}
		}
		if f := alice.next(); f.Kind != wire.KindChanged || *f.Name != "Bob" {
			s.Errorf("got %+v, want a change", f)
		}
		s.must(alice.send(1, to(bob.peer, `3`)))
		if f := bob.next(); string(f.Data) != "3" {
			s.Errorf("got %+v, want 3", f)
		}
		s.call("DELETE", alice.path, nil, "Authorization", "Bearer "+alice.Secret)
		if code := alice.ends(); code != wire.Left {
			s.Errorf("alice's link ends as %q, want left", code)
		}
		if f := bob.next(); f.Kind != wire.KindLeft || f.Reason != "leave" {
			s.Errorf("got %+v, want alice's left", f)
		}
	})
}

func TestOverEveryLinkALeaveIsObservedOnce(t *testing.T) {
	var mu sync.Mutex
	told := make(map[string]int) // by room
	config := signaling.Config{Observe: func(e signaling.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == signaling.SessionLeft {
			told[e.Room+" "+e.Peer]++
		}
	}}
	over(t, config, func(s *service, kind string) {
		room := strings.ReplaceAll(kind, " ", "-")
		p := s.join(room, as("alice"))
		alice := p.linked(kind, -1)
		_ = alice.send(1, `{"kind":"leave"}`) // a POST of it is answered: left
		if code := alice.ends(); code != wire.Left {
			s.Errorf("alice's link ends as %q, want left", code)
		}
		_, err := p.post(wire.Post{First: 1, Frames: []json.RawMessage{[]byte(`{"kind":"leave"}`)}})
		if err == nil {
			s.Error("who has left can leave again")
		}
		s.call("DELETE", alice.path, nil, "Authorization", "Bearer "+alice.Secret)
		mu.Lock()
		defer mu.Unlock()
		if n := told[room+" alice"]; n != 1 {
			s.Errorf("alice's leave was observed %d times, want once", n)
		}
	})
}

func TestOverEveryLinkBadFramesHurtOnlyThemselves(t *testing.T) {
	over(t, signaling.Config{}, func(s *service, kind string) {
		bob := s.join("room", as("bob")).linked("websocket", -1)
		alice := s.join("room", as("alice")).linked(kind, -1)
		s.must(alice.send(1,
			`{"kind":"shout"}`, `{"kind":"signal","to":"bob","dta":1}`, `{"kind":"signal","to":"nobody","data":1}`,
			`{"kind":"signal","to":"bob","epoch":1,"data":1}`, `{"kind":"broadcast","data":"`+strings.Repeat("x", 9000)+`"}`, to(bob.peer, `"good"`)))
		bob.next() // alice's joined
		if f := bob.next(); string(f.Data) != `"good"` {
			s.Errorf("bob got %+v", f)
		}
		for i, want := range []wire.Code{wire.UnknownKind, wire.UnknownField, wire.NoPeer, wire.StaleEpoch, wire.DataTooLarge} {
			if f := alice.next(); f.Kind != wire.KindRefused || f.Of != int64(i+1) || f.Code != want || f.N != int64(i+1) || f.Message == "" {
				s.Errorf("got %+v, want frame %d refused as %s", f, i+1, want)
			}
		}
		s.must(alice.send(5, to(bob.peer, `"had"`), to(bob.peer, `"had"`), to(bob.peer, `"new"`)))
		if f := bob.next(); string(f.Data) != `"new"` {
			s.Errorf("bob got %+v", f)
		}
	})
}

func TestEveryLinkSupersedesEveryOther(t *testing.T) {
	for _, first := range kinds {
		for _, second := range kinds {
			t.Run(first+" then "+second, func(t *testing.T) {
				s := serve(t, signaling.Config{})
				p := s.join("room", as("alice"))
				old := p.linked(first, -1)
				bob := s.join("room", as("bob"))
				old.next()
				fresh := p.linked(second, 1)
				if code := old.ends(); code != wire.Superseded {
					t.Errorf("the first link ends as %q, want superseded", code)
				}
				if _, err := bob.post(wire.Post{First: 1, Frames: []json.RawMessage{[]byte(to(p, "1"))}}); err != nil {
					t.Fatal(err)
				}
				if f := fresh.next(); f.N != 2 || string(f.Data) != "1" {
					t.Errorf("got %+v, want frame 2", f)
				}
			})
		}
	}
}

func TestAProbeHarmsNothingUntilItIsConfirmed(t *testing.T) {
	for _, working := range kinds {
		for _, better := range kinds[:2] {
			for _, by := range []string{"post", "frame"} {
				if by == "frame" && better != "websocket" {
					continue
				}
				t.Run(fmt.Sprintf("%s, probing %s, confirmed by %s", working, better, by), func(t *testing.T) {
					s := serve(t, signaling.Config{})
					p := s.join("room", as("alice"))
					old := p.linked(working, -1)
					bob := s.join("room", as("bob"))
					if f := old.next(); f.Peer != "bob" {
						t.Errorf("got %+v over the link in use", f)
					}
					probe, err := p.open(better, -1, true)
					s.must(err)
					t.Cleanup(probe.cut)
					select {
					case f := <-probe.frames:
						if f.Kind != wire.KindHello {
							t.Errorf("the probe got %+v", f)
						}
					case <-time.After(patience):
						t.Error("no hello")
					}
					if len(probe.frames) > 0 {
						t.Errorf("the probe got %+v", <-probe.frames)
					}
					if by == "frame" {
						s.must(probe.say(fmt.Sprintf(`{"kind":"use","link":%d,"after":1}`, probe.number)))
					} else {
						_, err := p.post(wire.Post{Use: probe.number, Ack: 1})
						s.must(err)
					}
					if code := old.ends(); code != wire.Superseded {
						t.Errorf("the link in use ends as %q, want superseded", code)
					}
					_, err = bob.post(wire.Post{First: 1, Frames: []json.RawMessage{[]byte(to(p, "1"))}})
					s.must(err)
					if f := probe.next(); f.N != 2 || string(f.Data) != "1" {
						t.Errorf("got %+v, want frame 2", f)
					}
				})
			}
		}
	}
}

func TestAnOlderProbeCannotBeConfirmed(t *testing.T) {
	s := serve(t, signaling.Config{})
	p := s.join("room", as("alice"))
	probe, err := p.open("events", -1, true)
	s.must(err)
	t.Cleanup(probe.cut)
	p.linked("websocket", -1)
	if code := probe.ends(); code != wire.Superseded {
		t.Errorf("the probe ends as %q, want superseded", code)
	}
	for _, number := range []int64{probe.number, 99} {
		_, err = p.post(wire.Post{Use: number})
		var refusal *wire.Error
		if !errors.As(err, &refusal) || refusal.Code != wire.Superseded {
			t.Errorf("use %d: got %v, want superseded", number, err)
		}
	}
}

func TestOverEveryLinkASessionLives(t *testing.T) {
	timing := quick
	timing.Polling = 2 * time.Second
	over(t, signaling.Config{Timing: timing}, func(s *service, kind string) {
		s.join("room", as("alice")).linked(kind, -1)
		time.Sleep(3 * timing.Lease)
		bob := s.join("room", as("bob"))
		// A long poll that waits for 3 s may be shown as away, with times as short as these.
		if len(bob.Peers) != 1 && kind != "long poll" {
			s.Errorf("roster is %+v, want alice", bob.Peers)
		}
	})
}

func TestAStreamWhoseClientNeverSpeaksEnds(t *testing.T) {
	s := serve(t, signaling.Config{Timing: quick})
	p := s.join("room", as("alice"))
	res, err := http.NewRequest("GET", s.url+p.path+"/events", nil)
	s.must(err)
	res.Header.Set("Authorization", "Bearer "+p.Secret)
	stream, err := http.DefaultClient.Do(res)
	s.must(err)
	defer stream.Body.Close()
	if stream.Header.Get("Content-Type") != "text/event-stream" || stream.Header.Get("X-Accel-Buffering") != "no" || !strings.Contains(stream.Header.Get("Cache-Control"), "no-transform") {
		t.Errorf("headers are %v", stream.Header)
	}
	deadline := time.AfterFunc(patience, func() { stream.Body.Close() })
	defer deadline.Stop()
	buf := make([]byte, 1024)
	for {
		if _, err = stream.Body.Read(buf); err != nil {
			break
		}
	}
	if err.Error() != "EOF" {
		t.Errorf("the stream ends with %v, want a clean end", err)
	}
}

func TestRefusedPollsAndPosts(t *testing.T) {
	s := serve(t, signaling.Config{})
	p := s.join("room", as("alice"))
	authorized := []string{"Authorization", "Bearer " + p.Secret, "Content-Type", asJSON}
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code               wire.Code
		field              string
	}{
		"a wait that is too long":     {"GET", "/frames?wait=26", "", 400, wire.BadField, "wait"},
		"a wait that is no number":    {"GET", "/frames?wait=NaN", "", 400, wire.BadField, "wait"},
		"an after that is no number":  {"GET", "/frames?after=x", "", 400, wire.BadField, "after"},
		"an after of the future":      {"GET", "/frames?after=7", "", 409, wire.HistoryLost, ""},
		"events of the future":        {"GET", "/events?after=x", "", 400, wire.BadField, "after"},
		"a post that is not JSON":     {"POST", "/frames", "hello", 400, wire.BadRequest, ""},
		"an unknown field":            {"POST", "/frames", `{"frame":[]}`, 400, wire.UnknownField, "frame"},
		"frames without a first":      {"POST", "/frames", `{"frames":[{"kind":"leave"}]}`, 400, wire.BadField, "first"},
		"a gap":                       {"POST", "/frames", `{"first":3,"frames":[{"kind":"change","name":"A"}]}`, 409, wire.Gap, ""},
		"too many frames":             {"POST", "/frames", `{"first":1,"frames":[` + strings.Repeat("1,", 64) + `1]}`, 400, wire.BadField, "frames"},
		"a body that is too large":    {"POST", "/frames", strings.Repeat(" ", 300<<10), 413, wire.BodyTooLarge, ""},
		"a link that does not exist":  {"POST", "/frames", `{"use":3}`, 409, wire.Superseded, ""},
		"a method that is not there":  {"PUT", "/frames", "", 405, wire.BadMethod, ""},
		"reading what was never sent": {"POST", "/frames", `{"after":4}`, 409, wire.HistoryLost, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{t, s.Server, s.url}
			r := s.call(c.method, p.path+c.path, []byte(c.body), authorized...)
			if got := r.refusal(); r.status != c.status || got.Code != c.code || got.Field != c.field {
				t.Errorf("got %d %s, want %d %s in %q", r.status, r.body, c.status, c.code, c.field)
			} else if c.code == wire.Gap && (got.Received == nil || *got.Received != 0) {
				t.Errorf("a gap without received: %s", r.body)
			}
			if c.code == wire.BadMethod && r.header.Get("Allow") != "GET, POST" {
				t.Errorf("allowed are %q", r.header.Get("Allow"))
			}
			for _, wrong := range []string{"", "Bearer nonsense"} {
				if r := s.call(c.method, p.path+c.path, []byte(`{}`), "Authorization", wrong, "Content-Type", asJSON); r.status < 400 {
					t.Errorf("with the secret %q: %d %s", wrong, r.status, r.body)
				}
			}
		})
	}
	if _, err := p.post(wire.Post{First: 1, Frames: []json.RawMessage{[]byte(`{"kind":"change","name":"A"}`)}}); err != nil {
		t.Errorf("the session is not as it was: %v", err)
	}
}

func TestShutdownAnswersPollsThatWait(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("room", as("alice")).linked("long poll", -1)
	bob := s.join("room", as("bob")).linked("events", -1)
	alice.next() // so it has polled again, or will
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	s.must(s.Shutdown(t.Context()))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("shutdown took %v", took)
	}
	if code := alice.ends(); code != wire.Rejoin {
		t.Errorf("the poll ends as %q, want rejoin", code)
	}
	if code := bob.ends(); code != wire.Rejoin {
		t.Errorf("the events end as %q, want rejoin", code)
	}
}

// TestChangingLinksLoseNothing cuts links at random and goes on over others, while pairs talk.
func TestChangingLinksLoseNothing(t *testing.T) {
	const messages = 400
	s := serve(t, signaling.Config{})
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := &service{t, s.Server, s.url}
			room := fmt.Sprint("room", seed)
			a, b := s.join(room, as("a")), s.join(room, as("b"))
			together(t, 45*time.Second,
				func() error { return climb(a, b, messages, rand.New(rand.NewPCG(seed, 0))) },
				func() error { return climb(b, a, messages, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

// climb sends numbered messages to the other and checks those that come, over
// links of any kind, which it leaves at random: cut, superseded or confirmed as probes.
func climb(me, other *peer, messages int, random *rand.Rand) error {
	var after, received, got int64
	total := int64(messages)
	for got < total || received < total {
		probe := random.IntN(3) == 0
		kind := kinds[random.IntN(len(kinds))]
		if probe {
			kind = kinds[random.IntN(2)]
		}
		d, err := me.open(kind, after, probe)
		if err != nil {
			return fmt.Errorf("%s opens %s after %d: %w", me.Peer, kind, after, err)
		}
		if probe {
			if _, err := me.post(wire.Post{Use: d.number, Ack: after}); err != nil {
				return fmt.Errorf("%s uses %s: %w", me.Peer, kind, err)
			}
		}
		err = converseOver(d, other, total, &after, &received, &got, time.Now().Add(time.Duration(20+random.IntN(60))*time.Millisecond), random)
		d.cut()
		if err != nil {
			return err
		}
	}
	return nil
}

func converseOver(d *duplex, other *peer, total int64, after, received, got *int64, until time.Time, random *rand.Rand) error {
	next, known := *received, d.kind != "websocket" && d.kind != "events"
	for timeout := time.After(time.Until(until)); ; {
		if known && next < min(total, *got+150) {
			frames := []string{}
			for range 1 + random.Int64N(min(4, min(total, *got+150)-next)) {
				frames = append(frames, to(other, fmt.Sprint(next+int64(len(frames)))))
			}
			if err := d.send(next+1, frames...); err == nil {
				next += int64(len(frames))
			} else if d.kind != "websocket" {
				return fmt.Errorf("%s posts from %d: %w", d.Peer, next+1, err)
			}
		}
		select {
		case f := <-d.frames:
			switch f.Kind {
			case wire.KindHello:
				*received, next, known = f.Received, f.Received, true
			case wire.KindReceived:
				*received = max(*received, f.N)
			case wire.KindRefused:
				return fmt.Errorf("%s was refused: %+v", d.Peer, f)
			case wire.KindJoined:
				*after = max(*after, f.N)
			case wire.KindSignal:
				if f.N <= *after {
					continue // had it: an answer that was under way when the last link was cut
				}
				if f.N != *after+1 || string(f.Data) != fmt.Sprint(*got) {
					return fmt.Errorf("%s over %s: frame %d with %s follows frame %d and %d messages", d.Peer, d.kind, f.N, f.Data, *after, *got)
				}
				*after, *got = f.N, *got+1
			}
		case <-timeout:
			d.cut()
			known, timeout = false, nil
		}
		if timeout == nil && len(d.frames) == 0 {
			return nil // what a poll brought is acknowledged by the next one: all of it is taken
		}
	}
}
