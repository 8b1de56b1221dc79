package client

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// canned answers every request with a stream of events.
type canned struct{ body []byte }

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(bytes.NewReader(c.body)),
	}, nil
}

// still returns a stay that opens no links by itself.
func still(t testing.TB, client *http.Client) *stay {
	opts, err := Options{Logger: quiet(), HTTPClient: client, Buffer: 1 << 20}.resolved("http://server.invalid", "room")
	if err != nil {
		t.Fatal(err)
	}
	reply := wire.JoinReply{Session: "s", Secret: "x", Peer: "me", Heartbeat: 25, Limits: wire.Limits{Frame: 1 << 16}}
	s := &Session{api: newAPI("http://server.invalid", "room", client), opts: opts, cancel: func() {}}
	s.enter(reply)
	return newStay(t.Context(), &runner{Session: s, log: opts.Logger}, reply)
}

func downVectors(f *testing.F) []string {
	text, err := os.ReadFile("../docs/protocol/vectors/frames.json")
	if err != nil {
		f.Fatal(err)
	}
	var v struct{ Down []json.RawMessage }
	if err := json.Unmarshal(text, &v); err != nil {
		f.Fatal(err)
	}
	var down []string
	for _, frame := range v.Down {
		down = append(down, string(frame))
	}
	return down
}

// FuzzFrames gives a client any frames on its link, a line each: it takes numbered ones in their order only, and
// each once, and its roster has nobody twice.
func FuzzFrames(f *testing.F) {
	down := downVectors(f)
	f.Add(strings.Join(down, "\n"), byte(WebSocket))
	for _, frame := range down {
		f.Add(frame, byte(Events))
	}
	f.Add(`{"kind":"signal","n":1,"from":"a","data":1}`+"\n"+`{"kind":"signal","n":1,"from":"a","data":2}`+"\n"+`{"kind":"signal","n":3}`, byte(WebSocket))
	f.Add(`{"kind":"received","n":99}`+"\n"+`{"kind":"received","n":-5,"code":"gap"}`+"\n"+`{"kind":"ended","code":"left","in":1e300}`, byte(Events))
	f.Add(`{"kind":"ended","code":"rejoin","in":1e300}`, byte(Events))
	f.Add(`{"kind":"ended","code":"rejoin","in":-1e300}`, byte(Events))
	f.Fuzz(func(t *testing.T, text string, kind byte) {
		s := still(t, http.DefaultClient)
		defer s.work.Wait()
		defer s.cancel()
		for range 3 {
			s.up.add([]byte(`{"kind":"leave"}`))
		}
		l := &link{kind: WebSocket + Link(kind%2), opened: time.Now(), ctx: s.ctx, cancel: func() {}}
		s.rungs[l.kind].link = l
		taken := int64(0)
		for line := range strings.SplitSeq(text, "\n") {
			var frame wire.Downlink
			if json.Unmarshal([]byte(line), &frame) != nil {
				continue
			}
			live := !l.gone && s.end == nil
			before := len(s.pending)
			s.frame(l, frame, len(line))
			next := live && frame.N == taken+1 && s.down == taken+1
			if next {
				taken++
			}
			if s.down != taken {
				t.Fatalf("after %q: %d frames are taken, want %d", line, s.down, taken)
			}
			signals := 0
			for _, e := range s.pending[before:] {
				if _, is := e.(Signal); is {
					signals++
				}
			}
			if want := next && frame.Kind == wire.KindSignal; (signals == 1) != want || signals > 1 {
				t.Fatalf("%q made %d signals", line, signals)
			}
		}
		if s.up.received < 0 || s.up.received+int64(len(s.up.frames)) != 3 || s.up.sent < s.up.received || s.up.sent > 3 {
			t.Errorf("what is to be sent is %+v", s.up)
		}
		if s.end != nil && (s.end.err == nil || s.end.in < 0) {
			t.Errorf("the session ends by %+v", s.end)
		}
	})
}

// FuzzEvents gives a client any stream of events: it ends, and where a frame is a line of an event of its own, as the
// server writes it, the frames are those that the standard's reader finds.
func FuzzEvents(f *testing.F) {
	for _, frame := range downVectors(f) {
		f.Add([]byte("id: 1\ndata: " + frame + "\n\n:\n\ndata:{\"kind\":\"ping\"}\n\n"))
	}
	f.Add([]byte("data: {\"kind\":\"ping\"}\r\n\r\nevent: x\nretry: 1\ndata: {\"kind\":\"po"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := still(t, &http.Client{Transport: canned{body}})
		defer s.cancel()
		l := &link{kind: Events, ctx: s.ctx, cancel: func() {}}
		heard := 0
		ended := make(chan error, 1)
		go func() { ended <- s.runEvents(l, "") }()
		var err error
		for err == nil {
			select {
			case <-s.inbox: // to take it in is FuzzFrames'
				heard++
			case err = <-ended:
			}
		}
		whole := bytes.HasSuffix(body, []byte("\n\n")) && !bytes.Contains(body, []byte("\r")) && !bytes.Contains(bytes.ReplaceAll(body, []byte("\n\n"), nil), []byte("\n"))
		if !whole {
			return
		}
		want := bytes.Count(append([]byte("\n"), body...), []byte("\n:"))
		for event := range readPlainly(bytes.NewReader(body)) {
			var frame wire.Downlink
			if json.Unmarshal([]byte(event.data), &frame) != nil {
				return // it ends there
			}
			want++
		}
		if heard != want {
			t.Errorf("of %q %d events and comments were heard, want %d", body, heard, want)
		}
	})
}
