package signaling_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

func TestAcknowledgingMakesRoomAtOnce(t *testing.T) {
	s := serve(t, signaling.Config{})
	bob := s.join("room", as("bob")).linked("websocket", -1)
	alice := s.join("room", as("alice")).linked("websocket", -1)
	bob.next()
	big := `"` + strings.Repeat("x", 60_000) + `"`
	for n := range int64(12) {
		s.must(alice.send(n+1, to(bob.peer, big)))
		f := bob.next()
		s.must(bob.say(fmt.Sprintf(`{"kind":"ack","n":%d}`, f.N)))
		time.Sleep(20 * time.Millisecond)
	}
	s.must(alice.send(13, to(bob.peer, `"last"`)))
	if f := bob.next(); string(f.Data) != `"last"` {
		t.Errorf("got frame %d", f.N)
	}
}

func TestAGapIsSaidOnce(t *testing.T) {
	s := serve(t, signaling.Config{})
	l := s.join("room").linked("websocket", -1)
	for n := range 600 {
		s.must(l.say(fmt.Sprintf(`{"kind":"change","n":%d,"name":"x"}`, n+2)))
	}
	s.must(l.say(`{"kind":"ping"}`))
	gaps := 0
	for f := range l.frames {
		if f.Kind == wire.KindPong {
			break
		}
		if f.Kind == wire.KindReceived && f.Code == wire.Gap {
			gaps++
		}
	}
	if gaps != 1 {
		t.Errorf("the gap was said %d times, want 1", gaps)
	}
}

func TestASoftLeaveDoesNotEndTheLink(t *testing.T) {
	s := serve(t, signaling.Config{Timing: signaling.Timing{Leaving: quick.Leaving}})
	alice := s.join("room", as("alice")).linked("websocket", -1)
	bob := s.join("room", as("bob")).linked("websocket", -1)
	s.call("POST", alice.path+"/leave", []byte(`{"secret":"`+alice.Secret+`"}`))
	s.must(bob.send(1, to(alice.peer, "1")))
	alice.next() // joined
	if f := alice.next(); string(f.Data) != "1" {
		t.Errorf("got %+v", f)
	}
	if code := alice.ends(); code != wire.Left {
		t.Errorf("the session ends as %q, want left", code)
	}
}

func TestARefusedLinkThatNeverAnswersDoesNotHoldUpClose(t *testing.T) {
	s := serve(t, signaling.Config{})
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url, "http")+"/v1/rooms/r/sessions/none/ws", nil)
	s.must(err)
	defer ws.Close()
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	s.must(s.Close())
	if took := time.Since(began); took > time.Second {
		t.Errorf("close took %v", took)
	}
}

func TestATextIsNotMadeLonger(t *testing.T) {
	s := serve(t, signaling.Config{})
	watcher := s.join("room")
	s.join("room", func(r *wire.JoinRequest) { r.Name = "<b>&amp;" })
	r := s.call("GET", watcher.path+"/frames", nil, "Authorization", "Bearer "+watcher.Secret)
	if want := `"name":"<b>&amp;"`; !strings.Contains(string(r.body), want) {
		t.Errorf("%s does not have %s", r.body, want)
	}
}

// Readers of JSON fail at what is nested deep: whoever sent it would take the recipient's session away for good.
func TestADeepValueStopsNoRecipient(t *testing.T) {
	s := serve(t, signaling.Config{})
	for _, kind := range []client.Link{client.WebSocket, client.Events, client.LongPoll, client.ShortPoll} {
		t.Run(kind.String(), func(t *testing.T) {
			room := kind.String()[:4]
			bob, err := client.Join(t.Context(), s.url, room, client.Options{Peer: "bob", Link: kind, Logger: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			defer bob.Close()
			alice := s.join(room, as("alice"))
			to, link := &peer{JoinReply: wire.JoinReply{Peer: "bob"}}, alice.link()
			for _, depth := range []int{10000, wire.MaxNested} {
				link.signal(to, strings.Repeat("[", depth)+strings.Repeat("]", depth))
			}
			if d := link.expect(wire.KindRefused); d.Code != wire.BadFrame || d.Of != 1 {
				t.Errorf("got %+v, want %s of frame 1", d, wire.BadFrame)
			}
			for {
				e := within(t, bob.Events())
				if signal, is := e.(client.Signal); is {
					if len(signal.Data) != 2*wire.MaxNested {
						t.Errorf("got %d bytes", len(signal.Data))
					}
					return
				}
			}
		})
	}
}
