package peers

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/signaling"
)

// generous has a server take as much as a hostile peer sends.
var generous = signaling.Config{Limits: signaling.Limits{Rate: 100 << 20, Burst: 100 << 20}}

func TestAPeerThatSaysNonsenseIsNamedAndHarmsNobody(t *testing.T) {
	s := serve(t, generous)
	alice := s.join("alice", Config{})
	ctx, cancel := alice.soon()
	defer cancel()
	mallory, err := client.Join(ctx, s.url, "lobby", client.Options{Peer: "mallory", Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer mallory.Close()
	go func() {
		for range mallory.Events() {
		}
	}()
	say := func(data any) {
		if err := mallory.Send(ctx, "alice", 0, data); err != nil {
			t.Fatal(err)
		}
	}
	alice.until("mallory is there", func() bool { return alice.Peer("mallory") != nil })
	before := runtime.NumGoroutine()
	epoch := mallory.Epoch()

	for _, nonsense := range []string{
		`null`, `7`, `"offer"`, `[]`, `{}`, `{"kind":7}`, `{"kind":"description"}`, `{"kind":"candidates","generation":[1,1],"candidates":{}}`,
		`{"kind":"renew","generation":[-1,0.5]}`, `{"kind":"description","generation":[1,1],"description":null,"channels":[]}`,
		`{"kind":"later","generation":[1,1]}`, `{"kind":"relay"}`, strings.Repeat("[", 400) + strings.Repeat("]", 400),
	} {
		say(json.RawMessage(nonsense))
	}
	for i := range 200 { // each a connection more, of which the largest number is nearly too large
		say(&note{
			kind: kindDescription, generation: generation{epoch, maxWhole - 300 + int64(i)}, channels: []string{"chat", "chat"},
			description: description{offer, "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"},
		})
	}
	last := generation{epoch, maxWhole - 101}
	endless := make([]*candidate, 200)
	for i := range endless {
		endless[i] = &candidate{Candidate: fmt.Sprintf("candidate:%d 1 udp 1 127.0.0.1 %d typ host", i, 1024+i)}
	}
	for range 50 {
		say(&note{kind: kindCandidates, generation: last, candidates: endless})
		say(&note{kind: kindRenew, generation: last})
	}
	alice.until("mallory is named", func() bool {
		named := func(what error) bool {
			return saw(alice, func(f Fault) bool { return errors.Is(f.Err, what) && f.Peer.ID() == "mallory" })
		}
		return named(ErrNoteUnreadable) && named(ErrNegotiation) && named(ErrTooMuch)
	})
	bob := s.join("bob", Config{})
	talk(alice, bob, alice.open("bob", "chat"), bob.open("alice", "chat"))
	alice.until("there is no more than there should be", func() bool { return runtime.NumGoroutine() < before+250 })
	mallory.Close()
}

func TestMessagesThatAreMalformedAreDropped(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, signaling.Config{})
	cfg := Config{MaxMessage: 1 << 20, NoServerRelay: true}
	alice, mallory := s.join("alice", cfg), s.join("mallory", Config{NoServerRelay: true})
	ac, mc := alice.open("mallory", "chat"), mallory.open("alice", "chat")
	dc := mc.pipe.dc.(*webrtc.DataChannel)
	fragmentOf := func(id, index, size uint32, bytes int) []byte {
		b := []byte{fragment}
		for _, n := range []uint32{id, index, size} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return append(b, make([]byte, bytes)...)
	}
	for _, chunk := range [][]byte{{2}, {fragment}, fragmentOf(1, 0, 1<<32-1, fragmentPayload), fragmentOf(1, 1<<32-1, 100, 100)} {
		if err := dc.Send(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := dc.SendText("text"); err != nil {
		t.Fatal(err)
	}
	for id := range uint32(300) { // messages that never end
		for dc.BufferedAmount() > highWater {
			time.Sleep(time.Millisecond)
		}
		if err := dc.Send(fragmentOf(id, 0, 1<<20, fragmentPayload)); err != nil {
			t.Fatal(err)
		}
	}
	mallory.write(mc, make([]byte, 2<<20)) // more than alice takes
	mallory.write(mc, []byte("hello"))
	if got := string(alice.read(ac)); got != "hello" {
		t.Errorf("alice got %d bytes", len(got))
	}
	alice.until("mallory is named", func() bool {
		return saw(alice, func(f Fault) bool { return errors.Is(f.Err, ErrMessageDropped) && f.Peer.ID() == "mallory" })
	})
	lines := make(chan *line, 1)
	alice.post(func() { lines <- alice.Peer("mallory").connection.lines["chat"] })
	if held := (<-lines).in.held; held > 1<<20 {
		t.Errorf("%d bytes are held", held)
	}
	talk(alice, mallory, ac, mc)
}

func TestChannelsThatNobodyDeclaredAreClosed(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice, mallory := s.join("alice", Config{}), s.join("mallory", Config{})
	mallory.open("alice", "chat")
	alice.open("mallory", "chat")
	pcs := make(chan *webrtc.PeerConnection, 1)
	mallory.post(func() { pcs <- mallory.Peer("alice").connection.pc })
	pc := <-pcs
	for i := range 2 * strangeMost {
		if _, err := pc.CreateDataChannel(fmt.Sprint(i), nil); err != nil {
			break // alice has had enough
		}
	}
	alice.until("mallory is named", func() bool {
		return saw(alice, func(f Fault) bool { return errors.Is(f.Err, ErrTooMuch) && f.Peer.ID() == "mallory" })
	})
}

func TestChannelsThatDifferAreNamed(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("alice", Config{Channels: map[string]ChannelOptions{"alpha": {}, "chat": {}}})
	bob := s.join("bob", Config{Channels: map[string]ChannelOptions{"chat": {}, "omega": {}, "zeta": {}}})
	talk(alice, bob, alice.open("bob", "chat"), bob.open("alice", "chat"))
	alice.until("the difference is told", func() bool {
		return saw(alice, func(f Fault) bool {
			var differ *ChannelsDifferError
			return errors.As(f.Err, &differ) && fmt.Sprint(differ.Here, differ.There) == "[alpha] [omega zeta]"
		})
	})
	if _, err := alice.Peer("bob").Open(t.Context(), "beta"); err == nil {
		t.Error("a channel opens with which the room was not joined")
	}
}

func FuzzNote(f *testing.F) {
	f.Add([]byte(`{"kind":"candidates","generation":[1,2],"candidates":[null,{"candidate":""}]}`))
	f.Add([]byte(`{"kind":"description","generation":[1,2],"description":{"type":"offer","sdp":""},"channels":["a"],"proof":{"key":"","serial":1,"mac":""}}`))
	f.Add([]byte(`{"kind":"relayed","stream":"sLGys7S1tre4ubq7vL2-vw","n":1,"data":"AAA"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parseNote(data)
		if err != nil {
			return
		}
		written, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseNote(written); err != nil || again.generation != n.generation {
			t.Fatalf("%s: %v", written, err)
		}
	})
}

func FuzzReassembly(f *testing.F) {
	f.Add([]byte{0, 1, 2})
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := reassembly{limit: 50_000}
		for len(data) > 0 {
			n := min(1+int(data[0])*70, len(data))
			if message, _, err := r.take(data[:n]); err == nil && len(message) > r.limit {
				t.Fatalf("%d bytes", len(message))
			}
			data = data[n:]
		}
		held := 0
		for _, m := range r.incomplete {
			held += m.bytes
		}
		if held != r.held || held > r.limit || len(r.order) != len(r.incomplete) || len(r.order) > incompleteLimit {
			t.Fatalf("it holds %d bytes, counts %d, of %d messages", held, r.held, len(r.order))
		}
	})
}
