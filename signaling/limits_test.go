package signaling_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

// narrow lets a session send the cost of about ten signals of a kilobyte a second, and as many at once.
var narrow = signaling.Limits{Peers: 16, Frame: 4 << 10, Broadcast: 64, Meta: 64, Rate: 10 << 10, Burst: 10 << 10}

const kilobyte = 1000

func TestWhatIsOverTheRateIsSentAgainAndArrivesOnce(t *testing.T) {
	const frames = 20
	data := func(n int) string { return fmt.Sprintf(`"%d%s"`, n, strings.Repeat("x", kilobyte)) }
	for _, kind := range []string{"websocket", "events"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := serve(t, signaling.Config{Limits: narrow})
			bob := s.join("room", as("bob")).linked("websocket", -1)
			alice := s.join("room", as("alice")).linked(kind, -1)
			bob.next()
			var said []wire.Downlink // that frames were over the rate
			over := func(received int64, retryAfter float64) {
				said = append(said, wire.Downlink{N: received, RetryAfter: retryAfter})
				if retryAfter <= 0 || retryAfter > 1.1 {
					t.Errorf("to wait %v s for a frame, want up to one", retryAfter)
				}
				time.Sleep(time.Duration(retryAfter * float64(time.Second)))
			}
			send := func(from int64) {
				if kind == "websocket" {
					for n := from; n < frames; n++ {
						s.must(alice.send(n+1, to(bob.peer, data(int(n+1)))))
					}
					return
				}
				for {
					post := wire.Post{First: from + 1}
					for n := from; n < frames; n++ {
						post.Frames = append(post.Frames, json.RawMessage(`{"kind":"signal","to":"bob","data":`+data(int(n+1))+`}`))
					}
					_, err := alice.post(post)
					var refused *wire.Error
					if !errors.As(err, &refused) || refused.Code != wire.RateLimited || refused.Received == nil {
						s.must(err)
						return
					}
					from = *refused.Received
					over(from, refused.RetryAfter)
				}
			}
			send(0)
			for n, timeout := 1, time.After(4*patience); n <= frames; {
				select {
				case f := <-alice.frames:
					if f.Code == wire.RateLimited {
						over(f.N, f.RetryAfter)
						send(f.N)
					}
				case f := <-bob.frames:
					if f.Kind != wire.KindSignal {
						continue
					}
					if string(f.Data) != data(n) {
						t.Fatalf("signal %d is %.20s", n, f.Data)
					}
					n++
				case <-timeout:
					t.Fatalf("signal %d does not come", n)
				}
			}
			if len(said) == 0 {
				t.Fatal("nothing was over the rate")
			}
			if first := said[0]; first.N < 5 || first.N > 15 {
				t.Errorf("%d frames at once, want about 10", first.N)
			}
			if got := len(said); got > 15 {
				t.Errorf("it was said %d times, want once for each wait", got)
			}
		})
	}
}

// A timer may go off a little before its time, and the client's clock may be fast: the frame comes too early then, and
// the client has to be told so, since it waits for an answer.
func TestAFrameThatIsSentAgainTooEarlyIsAnswered(t *testing.T) {
	s := serve(t, signaling.Config{Limits: narrow})
	bob := s.join("room", as("bob")).linked("websocket", -1)
	alice := s.join("room", as("alice")).linked("websocket", -1)
	const frames = 14
	data := `"` + strings.Repeat("x", kilobyte) + `"`
	for n := range int64(frames) {
		s.must(alice.send(n+1, to(bob.peer, data)))
	}
	early := 0
	for deadline := time.After(4 * patience); ; {
		select {
		case f := <-alice.frames:
			if f.Code != wire.RateLimited {
				continue
			}
			if early++; early > 3 {
				time.Sleep(time.Duration(f.RetryAfter * float64(time.Second)))
			}
			for n := f.N; n < frames; n++ {
				s.must(alice.send(n+1, to(bob.peer, data)))
			}
		case f := <-bob.frames:
			if f.Kind == wire.KindSignal && f.N == frames+1 { // the first frame is that she came
				if early < 3 {
					t.Errorf("she was told %d times, want each time", early)
				}
				return
			}
		case <-deadline:
			t.Fatalf("after %d answers no more comes", early)
		}
	}
}

func TestAPOSTOverTheRateNamesTheLimit(t *testing.T) {
	s := serve(t, signaling.Config{Limits: narrow})
	alice := s.join("room")
	post := func(n int) reply {
		frame := fmt.Sprintf(`{"first":%d,"frames":[{"kind":"signal","to":"x","data":"%s"}]}`, n, strings.Repeat("x", 3000))
		return s.call("POST", alice.path+"/frames", []byte(frame), "Content-Type", asJSON, "Authorization", "Bearer "+alice.Secret)
	}
	for n := 1; ; n++ {
		r := post(n)
		if r.status == http.StatusOK {
			if n > 10 {
				t.Fatal("nothing was over the rate")
			}
			continue
		}
		e := r.refusal()
		if r.status != 429 || e.Code != wire.RateLimited || e.Limit != int64(narrow.Rate) || e.RetryAfter <= 0 ||
			e.Received == nil || *e.Received != int64(n-1) || r.header.Get("Retry-After") != "1" {
			t.Errorf("got %d %s, Retry-After %q", r.status, r.body, r.header.Get("Retry-After"))
		}
		return
	}
}

// The signals of a join to a full room: descriptions and a dozen candidates for everybody, all at once.
func TestTheRateAdmitsTheSignalsToAFullRoom(t *testing.T) {
	const peers = 64
	s := serve(t, signaling.Config{Limits: signaling.Limits{PerAddress: peers}})
	for n := range peers - 1 {
		s.join("room", as(fmt.Sprint("p", n)))
	}
	alice := s.join("room", as("alice")).linked("websocket", -1)
	description, candidate := `"`+strings.Repeat("d", 4000)+`"`, `"`+strings.Repeat("c", 250)+`"`
	n := int64(0)
	for p := range peers - 1 {
		for c := range 13 {
			n++
			data := candidate
			if c == 0 {
				data = description
			}
			s.must(alice.say(fmt.Sprintf(`{"kind":"signal","n":%d,"to":"p%d","data":%s}`, n, p, data)))
		}
	}
	want := fmt.Sprint(`"received":`, n)
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(5 * time.Millisecond) {
		r := s.call("POST", alice.path+"/frames", []byte(`{}`), "Content-Type", asJSON, "Authorization", "Bearer "+alice.Secret)
		if strings.Contains(string(r.body), want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %s, want %s", r.body, want)
		}
	}
	alice.cut()
	for len(alice.frames) > 0 {
		if f := <-alice.frames; f.Code != "" {
			t.Errorf("refused: %+v", f)
		}
	}
}

func TestSessionsOfOneAddress(t *testing.T) {
	s := serve(t, signaling.Config{Limits: signaling.Limits{PerAddress: 3}})
	var last *peer
	for range 3 {
		last = s.join("room")
	}
	_, r := s.try("room", ask())
	if e := r.refusal(); r.status != 429 || e.Code != wire.TooManySessions || e.Limit != 3 {
		t.Errorf("got %d %s, want 429 with the limit", r.status, r.body)
	}
	s.join("another-room")
	s.join("room", func(r *wire.JoinRequest) { r.Resume = last.Secret })
}

func TestJoinsOfOneAddress(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, signaling.Config{
		Limits: signaling.Limits{JoinRate: 2, JoinBurst: 5},
		Authenticate: func(r *http.Request) (signaling.Identity, error) {
			asked.Add(1)
			return signaling.Identity{}, errors.New("no")
		},
	})
	var refused reply
	for refused.status != 429 {
		if _, refused = s.try("room", ask()); asked.Load() > 50 {
			t.Fatal("all were admitted")
		}
	}
	e := refused.refusal()
	if e.Code != wire.RateLimited || e.Limit != 2 || e.RetryAfter <= 0 || e.RetryAfter > 0.5 || refused.header.Get("Retry-After") != "1" {
		t.Errorf("got %s, Retry-After %q", refused.body, refused.header.Get("Retry-After"))
	}
	if got := asked.Load(); got < 5 {
		t.Errorf("refused after %d joins, want the burst of 5 first", got)
	}
	before := asked.Load()
	s.call("POST", "/v1/rooms/room/sessions", make([]byte, 1<<20))
	if got := asked.Load(); got != before {
		t.Error("the hook was asked for a join over the rate")
	}
	time.Sleep(time.Second)
	if _, r := s.try("room", ask()); r.status != 401 {
		t.Errorf("later: got %d %s, want to be asked for a token", r.status, r.body)
	}
}

func TestRefreshesCountAsJoins(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, signaling.Config{
		Limits: signaling.Limits{JoinRate: 1, JoinBurst: 5},
		Authenticate: func(*http.Request) (signaling.Identity, error) {
			asked.Add(1)
			return signaling.Identity{}, nil
		},
	})
	alice := s.join("room").linked("websocket", -1)
	for n := range 20 {
		s.must(alice.say(fmt.Sprintf(`{"kind":"refresh","n":%d,"token":"x"}`, n+1)))
	}
	f := alice.next()
	if f.Kind != wire.KindRefused || f.Code != wire.RateLimited {
		t.Errorf("got %+v, want a refusal", f)
	}
	if got := asked.Load(); got > 7 {
		t.Errorf("the hook was asked %d times, want about 5", got)
	}
}

// What needs no answer is read no faster than it may come.
func TestAFloodThatComesToNothingIsReadSlowly(t *testing.T) {
	const messages = 6000
	for name, message := range map[string]string{
		"pongs":                            `{"kind":"pong"}`,
		"frames that were received before": `{"kind":"change","n":1,"name":"x"}`,
		"frames behind a gap":              `{"kind":"change","n":9,"name":"x"}`,
		"acknowledgements of nothing":      `{"kind":"ack","n":0}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, signaling.Config{})
			l := s.join("room").linked("websocket", -1)
			began := time.Now()
			s.must(l.say(`{"kind":"change","n":1,"name":"x"}`))
			for range messages {
				s.must(l.say(message))
			}
			s.must(l.say(`{"kind":"ping"}`))
			for f := (wire.Downlink{}); f.Kind != wire.KindPong; {
				select {
				case f = <-l.frames:
				case err := <-l.fault:
					t.Fatal(err)
				case <-time.After(2 * patience):
					t.Fatal("no answer")
				}
			}
			// 4,096 at once, and the others at 1,024 a second.
			if took := time.Since(began); took < 1500*time.Millisecond {
				t.Errorf("%d messages were read in %v, want it to take its time", messages, took)
			}
		})
	}
}

func TestWhoAcknowledgesNothingIsEndedAsSlow(t *testing.T) {
	timing := signaling.Timing{Heartbeat: 150 * time.Millisecond, Lease: 5 * time.Second, Slow: 500 * time.Millisecond}
	for _, kind := range []string{"websocket", "events"} {
		for name, acks := range map[string]bool{"acknowledges": true, "does not": false} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, signaling.Config{Timing: timing})
				watcher := s.join("room", as("watcher")).linked("websocket", -1)
				alice := s.join("room", as("alice")).linked(kind, -1)
				watcher.next()
				s.must(watcher.send(1, to(alice.peer, `"hello"`)))
				if f := alice.next(); f.Kind != wire.KindSignal {
					t.Fatalf("got %+v", f)
				}
				if acks && kind == "websocket" {
					s.must(alice.say(`{"kind":"ack","n":1}`))
				} else if acks {
					_, err := alice.post(wire.Post{Ack: 1})
					s.must(err)
				}
				s.must(watcher.say(`{"kind":"ack","n":1}`))
				if acks {
					time.Sleep(3 * timing.Slow)
					s.must(watcher.send(2, to(alice.peer, `"again"`)))
					if f := alice.next(); string(f.Data) != `"again"` {
						t.Errorf("got %+v", f)
					}
					return
				}
				if code := alice.ends(); code != wire.Slow {
					t.Errorf("the session ends as %q, want slow", code)
				}
				if f := watcher.next(); f.Kind != wire.KindLeft || f.Reason != "slow" {
					t.Errorf("the others are told %+v", f)
				}
			})
		}
	}
}

func TestASessionTriesSoManyLinksAtATime(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("room")
	var first *duplex
	for n := range 8 {
		d, err := alice.open([]string{"websocket", "events"}[n%2], -1, true)
		s.must(err)
		t.Cleanup(d.cut)
		if first == nil {
			first = d
		}
	}
	refused := alice.dial("?probe=1")
	if d := refused.expect(wire.KindEnded); d.Code != wire.RateLimited {
		t.Errorf("the ninth is told %+v", d)
	}
	refused.expectClose(4205)
	s.must(first.say(fmt.Sprintf(`{"kind":"use","link":%d,"after":0}`, first.number)))
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		d, err := alice.open("websocket", -1, true)
		if err == nil {
			d.cut() // the one in use counts no more
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("none can be tried when one of them is in use: %v", err)
		}
	}
}
