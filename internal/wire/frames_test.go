package wire

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

type frameVectors struct {
	Limits Limits `json:"limits"`
	Up     []struct {
		Name string          `json:"name"`
		Text string          `json:"text"`
		OK   json.RawMessage `json:"ok"`
		Code Code            `json:"code"`
		N    int64           `json:"n"`
	} `json:"up"`
	Down []json.RawMessage `json:"down"`
}

func readFrameVectors(t testing.TB) frameVectors {
	t.Helper()
	text, err := os.ReadFile("../../docs/protocol/vectors/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var v frameVectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// same says whether two JSON texts mean the same.
func same(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return reflect.DeepEqual(x, y)
}

func TestUplinkFrames(t *testing.T) {
	v := readFrameVectors(t)
	for _, c := range v.Up {
		t.Run(c.Name, func(t *testing.T) {
			u, refusal := ParseUplink([]byte(c.Text), v.Limits)
			if c.Code != "" {
				if refusal == nil {
					t.Fatalf("got %+v, want refusal %s", u, c.Code)
				}
				if refusal.Code != c.Code {
					t.Errorf("refused as %v, want %s", refusal, c.Code)
				}
				got := u.N
				if !u.Numbered() {
					got = 0
				}
				if got != c.N {
					t.Errorf("consumes number %d, want %d", got, c.N)
				}
				return
			}
			if refusal != nil {
				t.Fatalf("refused: %v", refusal)
			}
			// What was read, with only the fields that the vector names.
			all, err := json.Marshal(u)
			if err != nil {
				t.Fatal(err)
			}
			var got, want map[string]any
			if err := json.Unmarshal(all, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(c.OK, &want); err != nil {
				t.Fatal(err)
			}
			for field, value := range want {
				if !reflect.DeepEqual(got[field], value) {
					t.Errorf("%s = %v, want %v", field, got[field], value)
				}
			}
			if strings.ContainsAny(string(u.Data), "\r\n") {
				t.Errorf("data has line breaks: %q", u.Data)
			}
		})
	}
}

func TestUplinkFramesAreUTF8(t *testing.T) {
	text := "{\"kind\":\"signal\",\"n\":1,\"to\":\"bob\",\"data\":\"\xff\"}"
	if u, refusal := ParseUplink([]byte(text), readFrameVectors(t).Limits); refusal == nil || refusal.Code != BadFrame {
		t.Errorf("got %+v, %v; want %s: the recipient's WebSocket would break", u, refusal, BadFrame)
	}
}

func TestWhatIsNestedTooDeepIsConsumedAndRefused(t *testing.T) {
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	limits := readFrameVectors(t).Limits
	limits.Meta = 4 * MaxNested
	for depth, want := range map[int]Code{MaxNested: "", MaxNested + 1: BadFrame, 5000: BadFrame} {
		for _, text := range []string{
			`{"kind":"signal","data":` + nested(depth) + `,"n":7,"to":"bob"}`, // its number comes behind it
			`{"kind":"change","n":7,"meta":` + nested(depth) + `}`,
		} {
			u, refusal := ParseUplink([]byte(text), limits)
			if code := codeOf(refusal); code != want || u.N != 7 {
				t.Errorf("%d deep: %.30s… is refused as %q, number %d; want %q, 7", depth, text, code, u.N, want)
			}
			post, refusal := ParsePost([]byte(`{"first":7,"frames":[` + text + `]}`))
			if refusal != nil {
				t.Fatalf("%d deep: the POST is refused: %v", depth, refusal)
			}
			if u, refusal := ParseNumbered(post.Frames[0], 7, limits); codeOf(refusal) != want || u.N != 7 {
				t.Errorf("%d deep, posted: %.30s… is refused as %v, number %d; want %q, 7", depth, text, refusal, u.N, want)
			}
		}
		join := `{"attempt":"q83vEiM0RVZneImaq7zN3g","instance":"i","meta":` + nested(min(depth, MaxNested+1)) + `}`
		if _, refusal := ParseJoin([]byte(join), limits); (refusal == nil) != (want == "") {
			t.Errorf("%d deep in a join: %v", depth, refusal)
		}
	}
}

func codeOf(refusal *Error) Code {
	if refusal == nil {
		return ""
	}
	return refusal.Code
}

func TestDownlinkFrames(t *testing.T) {
	v := readFrameVectors(t)
	for _, text := range v.Down {
		var d Downlink
		if err := json.Unmarshal(text, &d); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := encodeAgain(t, d)
		if !same(t, got, text) {
			t.Errorf("got  %s\nwant %s", got, text)
		}
	}
}

// encodeAgain writes a frame that was read as the server writes its kind.
func encodeAgain(t *testing.T, d Downlink) []byte {
	t.Helper()
	name := ""
	if d.Name != nil {
		name = *d.Name
	}
	peers := d.Peers
	if peers == nil {
		peers = []Peer{}
	}
	switch d.Kind {
	case KindHello:
		return AppendHello(nil, d.Link, d.Received, d.At, peers)
	case KindJoined:
		return AppendJoined(nil, d.N, Peer{d.Peer, d.Epoch, d.Instance, name, d.Meta, d.Presence})
	case KindChanged:
		return Append(nil, ChangedFrame{d.Kind, d.N, d.Peer, d.Epoch, d.Presence, d.Name, d.Meta})
	case KindSignal:
		return AppendSignal(nil, d.N, d.From, d.Epoch, d.Data, d.Broadcast)
	case KindLeft:
		return Append(nil, LeftFrame{d.Kind, d.N, d.Peer, d.Epoch, d.Reason})
	case KindReceived:
		if d.Code == "" {
			return AppendReceived(nil, d.N)
		}
		return Append(nil, ReceivedFrame{d.Kind, d.N, d.Code, d.Message, d.RetryAfter})
	case KindRefused:
		return Append(nil, RefusedFrame{d.Kind, d.N, d.Of, d.To, &Error{Code: d.Code, Message: d.Message}})
	case KindPing:
		return AppendPing(nil)
	case KindPong:
		return AppendPong(nil)
	case KindICE:
		return Append(nil, ICEFrame{d.Kind, ICEReply{d.ICEServers, d.TTL}})
	case KindDrain:
		return Append(nil, DrainFrame{d.Kind, d.In})
	case KindSuperseded:
		return Append(nil, BareFrame{d.Kind})
	case KindEnded:
		return Append(nil, EndedFrame{d.Kind, d.Code, d.Message, d.In})
	}
	t.Fatalf("no such kind: %q", d.Kind)
	return nil
}

// FuzzPassedOn checks that what is taken of a sender leaves nothing to be doubted for the recipient.
func FuzzPassedOn(f *testing.F) {
	v := readFrameVectors(f)
	for _, c := range v.Up {
		f.Add([]byte(c.Text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		u, refusal := ParseUplink(text, v.Limits)
		if refusal != nil || u.Kind != KindSignal {
			return
		}
		frame := AppendSignal(nil, 1, u.To, 2, u.Data, false)
		var d Downlink
		if err := json.Unmarshal(frame, &d); err != nil || d.From != u.To || !same(t, d.Data, u.Data) || bytes.ContainsAny(frame, "\r\n") {
			t.Errorf("%q is passed on as %q (%v)", text, frame, err)
		}
	})
}
