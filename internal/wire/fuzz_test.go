package wire

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// wellFormed fails unless a refusal can be said to a client.
func wellFormed(t *testing.T, body []byte, e *Error) {
	t.Helper()
	if e == nil {
		return
	}
	if e.Code.Row().Code != e.Code || e.Message == "" || len(e.Field) > 80 || len(e.Message) > 256 {
		t.Errorf("%q is refused by %+v", body, e)
	}
	if text, err := json.Marshal(e); err != nil || !utf8.Valid(text) {
		t.Errorf("%q is refused by %q, %v", body, text, err)
	}
}

// onlyKeys fails unless an accepted object has only these keys, as they are written, and once each.
func onlyKeys(t *testing.T, body []byte, known ...string) {
	t.Helper()
	if !json.Valid(body) || !utf8.Valid(body) {
		t.Errorf("%q was accepted", body)
	}
	for _, m := range plainMembers(body) {
		at := slices.Index(known, m.key)
		if at < 0 {
			t.Fatalf("%q was accepted with the key %q, which is unknown or there twice", body, m.key)
		}
		known = slices.Delete(known, at, at+1)
	}
}

func FuzzParseJoin(f *testing.F) {
	for _, body := range []string{
		`{"attempt":"q83vEiM0RVZneImaq7zN3g","instance":"b3f1c0","peer":"a","name":"b","meta":{},"resume":"c"}`,
		`{"attempt":"q83vEiM0RVZneImaq7zN3g","instance":"b3f1c0","meta":null,"name":"\u00e9"}`,
		`{"attempt":"q83vEiM0RVZneImaq7zN3g","instance":"b3f1c0","Peer":"a"}`, `{"attempt":1}`, `{"meta":[{"a":"}"}],"meta":1}`, `{}`, `[]`, ` {`, "",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, refusal := ParseJoin(body, joinLimits)
		wellFormed(t, body, refusal)
		if refusal != nil {
			return
		}
		onlyKeys(t, body, "attempt", "instance", "peer", "name", "meta", "resume")
		if !validAttempt(r.Attempt) || !ValidName(r.Instance, MaxInstance) || r.Peer != "" && !ValidName(r.Peer, MaxPeer) || !utf8.ValidString(r.Name) ||
			len(r.Name) > joinLimits.Name || len(r.Meta) > joinLimits.Meta || len(r.Resume) > MaxResume {
			t.Errorf("%q was accepted as %+v", body, r)
		}
		// Said again as it was read it is the same: that is how a repeated join is told from another one.
		canonical, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, refusal := ParseJoin(canonical, Limits{Name: joinLimits.Name, Meta: 8 * joinLimits.Meta})
		if refusal != nil {
			t.Fatalf("%q, and again as %q: %v", body, canonical, refusal)
		}
		second, err := json.Marshal(again)
		if err != nil || string(second) != string(canonical) {
			t.Errorf("%q is %q, and again %q (%v)", body, canonical, second, err)
		}
	})
}

func FuzzParsePost(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"first":8,"frames":[{"kind":"signal","to":"b","data":1}],"ack":12,"after":12,"use":4}`, `{"first":1,"frames":[1,"x",null,{}]}`,
		`{"first":9007199254740991,"frames":[{}]}`, `{"first":9223372036854775807,"frames":[1,2]}`, `{"ack":-1}`, `{"after":null}`, `{"frames":null}`, `{"use":1.5}`,
		`{"first":1,"frames":[` + strings.Repeat("1,", 64) + `1]}`,
	} {
		f.Add([]byte(body))
	}
	for _, c := range readFrameVectors(f).Up {
		f.Add([]byte(`{"first":1,"frames":[` + c.Text + `]}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, refusal := ParsePost(body)
		wellFormed(t, body, refusal)
		if refusal != nil {
			return
		}
		onlyKeys(t, body, "first", "frames", "ack", "after", "use")
		last := p.First + int64(len(p.Frames))
		if len(p.Frames) > MaxPostFrames || len(p.Frames) > 0 && (p.First < 1 || last > maxNumber) || p.Ack < 0 || p.Use < 0 || p.After != nil && *p.After < 0 {
			t.Errorf("%q was accepted as %+v", body, p)
		}
		for i, message := range p.Frames {
			n := p.First + int64(i)
			u, refusal := ParseNumbered(message, n, joinLimits)
			wellFormed(t, message, refusal)
			if u.N != n || refusal == nil && !u.Numbered() {
				t.Errorf("%q in place %d was read as %+v", message, n, u)
			}
		}
	})
}

func FuzzParseLeave(f *testing.F) {
	for _, body := range []string{`{"secret":"x"}`, `{"secret":""}`, `{"Secret":"x"}`, `{"secret":"x","secret":"y"}`, `{"secret":null}`, `{"secret":"\ud800"}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, refusal := ParseLeave(body)
		wellFormed(t, body, refusal)
		if refusal == nil {
			onlyKeys(t, body, "secret")
			if r.Secret == "" {
				t.Errorf("%q was accepted", body)
			}
		}
	})
}

// FuzzObject holds the reader of objects to encoding/json: which texts are objects, and what their members are.
func FuzzObject(f *testing.F) {
	for _, c := range readFrameVectors(f).Up {
		f.Add([]byte(c.Text))
	}
	f.Add([]byte(`{"a":{"b":[{"c":"}],\""}]},"d\\\"":[],"":{},"\u0061" : "\\"}`))
	names := []string{"kind", "n", "to", "data"}
	f.Fuzz(func(t *testing.T, text []byte) {
		set := map[int]string{}
		read, refusal := readObject(text, names, BadFrame, maxDepth, func(field int, value []byte) *Error {
			set[field] = string(value)
			return nil
		})
		wellFormed(t, text, refusal)
		var all map[string]json.RawMessage
		if want := json.Unmarshal(text, &all) == nil && all != nil; read != want {
			t.Fatalf("%q is an object: %v, want %v", text, read, want)
		}
		if !read {
			return
		}
		want, fault := map[int]string{}, !utf8.Valid(text)
		for _, m := range plainMembers(text) {
			field := slices.Index(names, m.key)
			_, twice := want[field]
			if field < 0 || twice {
				fault = true
				continue
			}
			want[field] = string(m.value)
		}
		if !maps.Equal(set, want) || fault != (refusal != nil) {
			t.Errorf("%q was read as %v, %v; want %v", text, set, refusal, want)
		}
	})
}

func FuzzTexts(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a-b_c.d~e", "Zoë", "a\nb", "\xff\xfe", "\u202e", strings.Repeat("é", 40)} {
		f.Add(s, 16)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit &= 0xff
		clipped := ClipText(s, limit)
		if err := checkText("name", clipped, limit); err != nil {
			t.Errorf("%q is clipped to %q: %v", s, clipped, err)
		}
		if checkText("name", s, limit) == nil && clipped != s {
			t.Errorf("%q is fine, and clipped to %q", s, clipped)
		}
		if ValidName(s, limit) && (strings.ContainsFunc(s, func(r rune) bool {
			return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~", r)
		}) || s == "" || len(s) > limit) {
			t.Errorf("%q is a valid name", s)
		}
		wellFormed(t, []byte(s), checkText(clip(s), s, limit))
	})
}

// FuzzDownlink checks that what a client reads of a frame is what it would read of it again.
func FuzzDownlink(f *testing.F) {
	for _, text := range readFrameVectors(f).Down {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var d, again Downlink
		if json.Unmarshal(text, &d) != nil {
			return
		}
		first := Append(nil, d)
		if strings.ContainsAny(string(first), "\r\n") {
			t.Errorf("%q is written as %q", text, first)
		}
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%q is written as %q: %v", text, first, err)
		}
		if second := Append(nil, again); string(second) != string(first) {
			t.Errorf("%q is written as %q, and again as %q", text, first, second)
		}
	})
}
