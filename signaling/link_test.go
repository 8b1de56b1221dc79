package signaling_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

// quick are times short enough to wait for.
var quick = signaling.Timing{
	Heartbeat: 300 * time.Millisecond,
	Lease:     1000 * time.Millisecond,
	Away:      300 * time.Millisecond,
	Left:      900 * time.Millisecond,
	Unlinked:  900 * time.Millisecond,
	Leaving:   300 * time.Millisecond,
}

func TestTwoPeersTalk(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("room", as("alice")).link()
	bob := s.join("room", as("bob")).link()
	if d := alice.expect(wire.KindJoined); d.Peer != "bob" || d.N != 1 || d.Epoch != bob.Epoch || d.Presence != "here" {
		t.Errorf("joined is %+v", d)
	}
	bob.signal(alice.peer, `{"type":"offer"}`)
	if d := alice.expect(wire.KindSignal); d.From != "bob" || d.Epoch != bob.Epoch || d.N != 2 || string(d.Data) != `{"type":"offer"}` {
		t.Errorf("signal is %+v", d)
	}
	alice.signal(bob.peer, `{"type":"answer"}`)
	if d := bob.expect(wire.KindSignal); d.From != "alice" || string(d.Data) != `{"type":"answer"}` {
		t.Errorf("signal is %+v", d)
	}
	bob.text(`{"kind":"ping"}`)
	bob.expect(wire.KindPong)
	bob.n++
	bob.text(fmt.Sprintf(`{"kind":"change","n":%d,"name":"Bob"}`, bob.n))
	if d := alice.expect(wire.KindChanged); d.Name == nil || *d.Name != "Bob" {
		t.Errorf("changed is %+v", d)
	}
	bob.n++
	bob.text(fmt.Sprintf(`{"kind":"leave","n":%d}`, bob.n))
	if d := bob.expect(wire.KindEnded); d.Code != wire.Left {
		t.Errorf("ended is %+v", d)
	}
	bob.expectClose(4010)
	if d := alice.expect(wire.KindLeft); d.Peer != "bob" || d.Reason != "leave" {
		t.Errorf("left is %+v", d)
	}
}

func TestLeavingByDeleteAndByBeacon(t *testing.T) {
	s := serve(t, signaling.Config{Timing: signaling.Timing{Leaving: quick.Leaving}})
	watcher := s.join("room", as("watcher")).link()
	alice := s.join("room", as("alice")).link()
	bob := s.join("room", as("bob")).link()
	watcher.expect(wire.KindJoined)
	watcher.expect(wire.KindJoined)
	alice.expect(wire.KindJoined)

	if r := s.call("DELETE", alice.path, nil, "Authorization", "Bearer "+alice.Secret); r.status != 204 {
		t.Errorf("delete: %d %s", r.status, r.body)
	}
	alice.expect(wire.KindEnded)
	alice.expectClose(4010)
	if d := watcher.expect(wire.KindLeft); d.Peer != "alice" || d.Reason != "leave" {
		t.Errorf("left is %+v", d)
	}
	if r := s.call("DELETE", alice.path, nil, "Authorization", "Bearer "+alice.Secret); r.status != 204 {
		t.Errorf("delete again: %d %s", r.status, r.body)
	}

	if r := s.call("POST", bob.path+"/leave", []byte(`{"secret":"`+bob.Secret+`"}`), "Content-Type", "text/plain;charset=UTF-8"); r.status != 204 {
		t.Errorf("beacon: %d %s", r.status, r.body)
	}
	if d := watcher.expect(wire.KindChanged); d.Peer != "bob" || d.Presence != "leaving" {
		t.Errorf("changed is %+v", d)
	}
	if d := watcher.expect(wire.KindLeft); d.Peer != "bob" || d.Reason != "leave" {
		t.Errorf("left is %+v", d)
	}
}

func TestAReloadKeepsThePeerID(t *testing.T) {
	s := serve(t, signaling.Config{Timing: signaling.Timing{Leaving: quick.Leaving}})
	watcher := s.join("room", as("watcher")).link()
	before := s.join("room", as("alice")).link()
	watcher.expect(wire.KindJoined)
	s.call("POST", before.path+"/leave", []byte(`{"secret":"`+before.Secret+`"}`))
	before.cut()
	after := s.join("room", func(r *wire.JoinRequest) { r.Resume = before.Secret })
	if after.Peer != "alice" || !after.Resumed || after.Epoch <= before.Epoch {
		t.Errorf("resumed as %+v", after.JoinReply)
	}
	after.link()
	watcher.expect(wire.KindChanged)
	if d := watcher.expect(wire.KindJoined); d.Peer != "alice" || d.Epoch != after.Epoch {
		t.Errorf("joined is %+v", d)
	}
	time.Sleep(quick.Leaving + 50*time.Millisecond)
	watcher.signal(after.peer(), `1`)
	if r := s.call("POST", before.path+"/leave", []byte(`{"secret":"`+before.Secret+`"}`)); r.status != 204 {
		t.Errorf("a late beacon: %d %s", r.status, r.body)
	}
	if _, r := s.try("room", ask(func(r *wire.JoinRequest) { r.Resume = before.Secret })); r.refusal().Code != wire.ResumeUsed {
		t.Errorf("resumed twice: %d %s", r.status, r.body)
	}
}

func (p *peer) peer() *peer { return p }

func TestABrokenLinkLosesNothing(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("room", as("alice")).link()
	bob := s.join("room", as("bob")).link()
	alice.expect(wire.KindJoined)

	bob.signal(alice.peer, "1")
	alice.expect(wire.KindSignal) // 2
	alice.cut()
	bob.signal(alice.peer, "2")
	bob.signal(alice.peer, "3")
	alice.n++
	lost := alice.n // alice thinks that she sent it

	alice = alice.dial("?after=2")
	hello := alice.expect(wire.KindHello)
	if hello.Received != 0 || len(hello.Peers) != 1 || hello.Peers[0].Peer != "bob" {
		t.Errorf("hello is %+v", hello)
	}
	for i, want := range []string{"2", "3"} {
		if d := alice.expect(wire.KindSignal); d.N != int64(i+3) || string(d.Data) != want {
			t.Errorf("got frame %d with %s, want %d with %s", d.N, d.Data, i+3, want)
		}
	}
	again := fmt.Sprintf(`{"kind":"signal","n":%d,"to":"bob","data":"sent again"}`, lost)
	alice.text(again)
	alice.text(again)
	alice.text(fmt.Sprintf(`{"kind":"signal","n":%d,"to":"bob","data":"next"}`, lost+1))
	for _, want := range []string{`"sent again"`, `"next"`} {
		if d := bob.expect(wire.KindSignal); string(d.Data) != want {
			t.Errorf("bob got %s, want %s", d.Data, want)
		}
	}
}

func TestASecondLinkSupersedesTheFirst(t *testing.T) {
	s := serve(t, signaling.Config{})
	p := s.join("room", as("alice"))
	first := p.link()
	second := p.dial("")
	if d := second.expect(wire.KindHello); d.Link != 2 {
		t.Errorf("link number is %d, want 2", d.Link)
	}
	first.expect(wire.KindSuperseded)
	first.expectClose(4001)
	bob := s.join("room", as("bob")).link()
	second.expect(wire.KindJoined)
	second.signal(bob.peer, "1")
	bob.expect(wire.KindSignal)
	for deadline := time.Now().Add(patience); s.Stats().Links != 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d links are open, want 2", s.Stats().Links)
		}
	}
}

func TestRefusedLinksSayWhy(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("room", as("alice"))
	left := s.join("room", as("left"))
	s.call("DELETE", left.path, nil, "Authorization", "Bearer "+left.Secret)
	forged, unknown := *alice, *alice
	forged.Secret = "wrong"
	unknown.path = "/v1/rooms/room/sessions/unknown"
	for name, c := range map[string]struct {
		peer  *peer
		query string
		code  wire.Code
		close int
	}{
		"a wrong secret":                {&forged, "", wire.WrongSecret, 4003},
		"an unknown session":            {&unknown, "", wire.NoSession, 4104},
		"a session that left":           {left, "", wire.Left, 4010},
		"frames that are not there":     {alice, "?after=9", wire.HistoryLost, 4105},
		"an after that is not a number": {alice, "?after=x", wire.BadField, 4000},
	} {
		t.Run(name, func(t *testing.T) {
			l := c.peer.dial(c.query)
			if d := l.expect(wire.KindEnded); d.Code != c.code || d.Message == "" {
				t.Errorf("ended is %+v, want %s", d, c.code)
			}
			l.expectClose(c.close)
		})
	}
	alice.link()
}

func TestBadFramesHurtOnlyThemselves(t *testing.T) {
	s := serve(t, signaling.Config{})
	bob := s.join("room", as("bob")).link()
	alice := s.join("room", as("alice")).link()
	bob.expect(wire.KindJoined)

	refused := func(l *wsLink, n int64, code wire.Code) {
		t.Helper()
		if d := l.expect(wire.KindRefused); d.Of != n || (d.N != 0) != (n != 0) || d.Code != code || d.Message == "" {
			t.Errorf("refused is %+v, want %d %s", d, n, code)
		}
	}
	alice.text(`hello`)
	refused(alice, 0, wire.BadFrame)
	if err := alice.ws.WriteMessage(websocket.BinaryMessage, []byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	refused(alice, 0, wire.BadFrame)
	alice.text(`{"kind":"shout","n":1}`)
	refused(alice, 1, wire.UnknownKind)
	alice.text(`{"kind":"signal","n":2,"to":"bob","dta":1}`)
	refused(alice, 2, wire.UnknownField)
	alice.text(`{"kind":"signal","n":3,"to":"nobody","data":1}`)
	refused(alice, 3, wire.NoPeer)
	alice.text(fmt.Sprintf(`{"kind":"signal","n":4,"to":"bob","epoch":%d,"data":1}`, bob.Epoch-1))
	refused(alice, 4, wire.StaleEpoch)
	alice.text(`{"kind":"broadcast","n":5,"data":"` + strings.Repeat("b", 9000) + `"}`)
	refused(alice, 5, wire.DataTooLarge)
	alice.text(`{"kind":"signal","n":8,"to":"bob","data":8}`)
	if d := alice.expect(wire.KindReceived); d.Code != wire.Gap || d.N != 5 {
		t.Errorf("received is %+v, want a gap after 5", d)
	}
	alice.text(`{"kind":"signal","n":1,"to":"bob","data":"a repeated number"}`)
	alice.text("{\"kind\":\"signal\",\"n\":6,\"to\":\"bob\",\"data\":\"\xff\"}")
	refused(alice, 6, wire.BadFrame)
	alice.text(`{"kind":"signal","n":7,"to":"bob","data":"good"}`)
	if d := bob.expect(wire.KindSignal); string(d.Data) != `"good"` {
		t.Errorf("bob got %s", d.Data)
	}

	alice.text(`{"kind":"signal","n":8,"to":"bob","data":"` + strings.Repeat("x", 64<<10) + `"}`)
	refused(alice, 0, wire.FrameTooLarge)
	alice.expectClose(4009)
	alice = alice.dial("?after=6")
	if d := alice.expect(wire.KindHello); d.Received != 7 {
		t.Errorf("the session has received %d, want 7", d.Received)
	}
	for range 16 {
		alice.text(`[]`)
	}
	for range 16 {
		refused(alice, 0, wire.BadFrame)
	}
	alice.expectClose(4000)
	alice.link()
}

func TestASilentLinkIsClosedAndItsSessionEnds(t *testing.T) {
	s := serve(t, signaling.Config{Timing: quick})
	watcher := s.join("room", as("watcher")).link()
	go keepAlive(watcher)
	silent := s.join("room", as("silent")).link()
	watcher.expect(wire.KindJoined)
	silent.expectClose(4202)
	if d := watcher.expect(wire.KindChanged); d.Presence != "away" {
		t.Errorf("changed is %+v", d)
	}
	if d := watcher.expect(wire.KindLeft); d.Reason != "lost" {
		t.Errorf("left is %+v", d)
	}
	l := silent.dial("")
	l.expect(wire.KindEnded)
	l.expectClose(4110)
}

// keepAlive pings until the link is closed.
func keepAlive(l *wsLink) {
	for l.ws.WriteMessage(websocket.TextMessage, []byte(`{"kind":"pong"}`)) == nil {
		time.Sleep(quick.Heartbeat / 6)
	}
}

func TestASessionLivesByItsHeartbeat(t *testing.T) {
	s := serve(t, signaling.Config{Timing: quick})
	alice := s.join("room", as("alice")).link()
	go keepAlive(alice)
	time.Sleep(3 * quick.Lease)
	bob := s.join("room", as("bob"))
	if len(bob.Peers) != 1 || bob.Peers[0].Presence != "here" {
		t.Errorf("roster is %+v, want alice, here", bob.Peers)
	}
}

func TestAnUnlinkedSessionIsSweptWithoutAnybodyAsking(t *testing.T) {
	s := serve(t, signaling.Config{Timing: quick})
	watcher := s.join("room", as("watcher")).link()
	go keepAlive(watcher)
	s.join("room", as("ghost"))
	watcher.expect(wire.KindJoined)
	if d := watcher.expect(wire.KindLeft); d.Peer != "ghost" || d.Reason != "lost" {
		t.Errorf("left is %+v", d)
	}
}

func TestAReaderThatNeverReadsCostsOnlyItself(t *testing.T) {
	s := serve(t, signaling.Config{Limits: signaling.Limits{MailboxFrames: 64, MailboxBytes: 1 << 20}})
	stuck := s.join("room", as("stuck")).link()
	alice := s.join("room", as("alice")).link()
	bob := s.join("room", as("bob")).link()
	alice.expect(wire.KindJoined)
	// It acknowledges nothing, so its mailbox fills up to alice's share of it.
	big := `"` + strings.Repeat("x", 10_000) + `"`
	busy := 0
	for range 40 {
		alice.signal(stuck.peer, big)
	}
	alice.signal(bob.peer, `"done"`)
	if d := bob.expect(wire.KindSignal); string(d.Data) != `"done"` {
		t.Errorf("bob got %s", d.Data)
	}
	for range 40 - 64/4 {
		if d := alice.expect(wire.KindRefused); d.Code == wire.Busy && d.To == "stuck" {
			busy++
		}
	}
	if busy != 40-64/4 {
		t.Errorf("%d frames were refused as busy, want %d", busy, 40-64/4)
	}
}

// TestCutLinksLoseNothing cuts links at random while pairs talk.
func TestCutLinksLoseNothing(t *testing.T) {
	const messages = 800
	s := serve(t, signaling.Config{})
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := &service{t, s.Server, s.url}
			room := fmt.Sprint("room", seed)
			a, b := s.join(room, as("a")), s.join(room, as("b"))
			random := rand.New(rand.NewPCG(seed, 1))
			first, second := rand.New(rand.NewPCG(random.Uint64(), 2)), rand.New(rand.NewPCG(random.Uint64(), 3))
			together(t, 30*time.Second,
				func() error { return converse(a, b, messages, first) },
				func() error { return converse(b, a, messages, second) })
		})
	}
}

// converse sends numbered messages to the other and checks those that come,
// over links that it cuts at random.
func converse(me, other *peer, messages int, random *rand.Rand) error {
	var sent []string // uplink frames, by number
	for n := range messages {
		sent = append(sent, fmt.Sprintf(`{"kind":"signal","n":%d,"to":%q,"data":%d}`, n+1, other.Peer, n))
	}
	dialer := websocket.Dialer{}
	header := http.Header{"Authorization": {"Bearer " + me.Secret}}
	var after, got int64
	received := int64(0)
	for got < int64(messages) || received < int64(messages) {
		ws, _, err := dialer.Dial(fmt.Sprintf("ws%s%s/ws?after=%d", strings.TrimPrefix(me.url, "http"), me.path, after), header)
		if err != nil {
			return err
		}
		cut := time.Now().Add(time.Duration(random.IntN(30)) * time.Millisecond)
		_ = ws.SetReadDeadline(cut)
		next := -1 // of sent; known with the hello
		for {
			var d wire.Downlink
			if ws.ReadJSON(&d) != nil {
				break
			}
			switch d.Kind {
			case wire.KindHello:
				received, next = d.Received, int(d.Received)
			case wire.KindReceived:
				received = d.N
			case wire.KindRefused:
				return fmt.Errorf("%s was refused: %+v", me.Peer, d)
			case wire.KindJoined:
				after = d.N
			case wire.KindSignal:
				if d.N != after+1 || string(d.Data) != fmt.Sprint(got) {
					return fmt.Errorf("%s: frame %d with %s follows frame %d and %d messages", me.Peer, d.N, d.Data, after, got)
				}
				after, got = d.N, got+1
				if got%16 == 0 {
					_ = ws.WriteJSON(map[string]any{"kind": "ack", "n": after})
				}
			}
			// No further ahead than what a mailbox takes from one sender.
			for k := random.IntN(4); k > 0 && next >= 0 && next < min(messages, int(got)+200); k-- {
				if ws.WriteMessage(websocket.TextMessage, []byte(sent[next])) != nil {
					break
				}
				next++
			}
		}
		_ = ws.NetConn().Close()
	}
	return nil
}
