package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// plainUplink is an uplink frame for encoding/json to read: the reference that ParseUplink is held to.
type plainUplink struct {
	Kind  string          `json:"kind"`
	N     int64           `json:"n"`
	To    string          `json:"to"`
	Epoch int64           `json:"epoch"`
	Data  json.RawMessage `json:"data"`
	Name  *string         `json:"name"`
	Meta  json.RawMessage `json:"meta"`
	Token string          `json:"token"`
	Link  int64           `json:"link"`
	After int64           `json:"after"`
}

// plainNumber returns n if it can be a frame's number, and else 0.
func plainNumber(n int64) int64 {
	if n < 1 || n >= 1<<53 {
		return 0
	}
	return n
}

// plainParse is the reference: the members of an object one after the other, each as encoding/json reads it. The first
// fault is the one that is told. With it comes what was read of the kind and the number.
func plainParse(message []byte, implied int64, limits Limits) (plainUplink, *Error) {
	u := plainUplink{N: implied}
	if !json.Valid(message) || !bytes.HasPrefix(bytes.TrimLeft(message, " \t\r\n"), []byte("{")) {
		return plainUplink{}, Refuse(BadFrame)
	}
	var first *Error
	if !utf8.Valid(message) {
		first = Refuse(BadFrame)
	}
	seen := map[string]bool{}
	for _, m := range plainMembers(message) {
		field, known := plainField(&u, m.key)
		var err *Error
		switch {
		case !known:
			err = Refuse(UnknownField).In(clip(m.key))
		case seen[m.key]:
			err = Refuse(BadFrame).In(m.key)
		case json.Unmarshal(m.value, field) != nil:
			err = Refuse(BadFrame).In(m.key)
			if m.key == "n" {
				u.N = 0
			}
		}
		seen[m.key] = true
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = plainCheck(u, limits)
	}
	if first != nil {
		return plainUplink{Kind: u.Kind, N: plainNumber(u.N)}, first
	}
	return u, nil
}

// plainField returns the field of that name.
func plainField(u *plainUplink, name string) (field any, known bool) {
	v := reflect.ValueOf(u).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("json") == name {
			return v.Field(i).Addr().Interface(), true
		}
	}
	return nil, false
}

// plainMember is a member of an object, with its key as it is written.
type plainMember struct {
	key   string
	value json.RawMessage
}

// plainMembers returns the members of a valid JSON object.
func plainMembers(object []byte) (members []plainMember) {
	d := json.NewDecoder(bytes.NewReader(object))
	_, _ = d.Token() // {
	for d.More() {
		before := d.InputOffset()
		if _, err := d.Token(); err != nil {
			return members
		}
		key := strings.TrimLeft(string(object[before:d.InputOffset()]), ", \t\r\n")
		m := plainMember{key: key[1 : len(key)-1]}
		if d.Decode(&m.value) != nil {
			return members
		}
		members = append(members, m)
	}
	return members
}

// plainCheck says what of a frame that can be read is not right.
func plainCheck(u plainUplink, limits Limits) *Error {
	bad := func(field string) *Error { return Refuse(BadFrame).In(field) }
	natural := func(n int64) bool { return n >= 0 && n < 1<<53 }
	switch u.Kind {
	case "":
		return bad("kind")
	case "ping", "pong":
		return nil
	case "ack":
		if !natural(u.N) {
			return bad("n")
		}
		return nil
	case "use":
		if u.Link < 1 || !natural(u.Link) {
			return bad("link")
		}
		if !natural(u.After) {
			return bad("after")
		}
		return nil
	case "signal", "broadcast", "change", "refresh", "leave":
	default:
		return Refuse(UnknownKind).In("kind")
	}
	if plainNumber(u.N) == 0 {
		return bad("n")
	}
	switch u.Kind {
	case "signal":
		switch {
		case !ValidName(u.To, MaxPeer):
			return bad("to")
		case !natural(u.Epoch):
			return bad("epoch")
		case u.Data == nil:
			return bad("data")
		}
	case "broadcast":
		switch {
		case u.Data == nil:
			return bad("data")
		case len(u.Data) > limits.Broadcast:
			return Refuse(DataTooLarge).In("data")
		}
	case "refresh":
		if u.Token == "" || len(u.Token) > 8<<10 {
			return bad("token")
		}
	case "change":
		if u.Name == nil && u.Meta == nil {
			return bad("name")
		}
		if u.Name != nil {
			if err := checkText("name", *u.Name, limits.Name); err != nil {
				return err
			}
		}
		return checkMeta(u.Meta, limits.Meta)
	}
	return nil
}

// plainNumbered is the reference of ParseNumbered.
func plainNumbered(message []byte, n int64, limits Limits) (plainUplink, *Error) {
	u, err := plainParse(message, n, limits)
	switch {
	case err != nil:
	case u.Kind == "ack" || u.Kind == "use" || u.Kind == "ping" || u.Kind == "pong":
		err = Refuse(BadFrame).In("kind")
	case u.N != n:
		err = Refuse(BadFrame).In("n")
	case len(message) > limits.Frame:
		err = Refuse(FrameTooLarge)
	}
	u.N = n
	return u, err
}

// compare fails where a parser and its reference do not agree: on what is refused and why, what is consumed, and what was read.
func compare(t *testing.T, text []byte, implied bool, got Uplink, refusal *Error, want plainUplink, wanted *Error) {
	t.Helper()
	if (refusal == nil) != (wanted == nil) {
		t.Fatalf("%q: refused as %v, want %v", text, refusal, wanted)
	}
	if refusal != nil {
		if refusal.Code != wanted.Code || refusal.Field != wanted.Field {
			t.Fatalf("%q: refused as %s in %q, want %s in %q", text, refusal.Code, refusal.Field, wanted.Code, wanted.Field)
		}
		// Behind an implied number everything is consumed; else what has a kind and a number that could be read.
		if consumes := (Uplink{Kind: want.Kind, N: want.N}).Numbered(); implied && got.N != want.N ||
			!implied && (got.Numbered() != consumes || consumes && got.N != want.N) {
			t.Fatalf("%q: consumes %d of kind %q, want %d of kind %q", text, got.N, got.Kind, want.N, want.Kind)
		}
		return
	}
	// Fields that a kind does not have may be passed over, or kept.
	numbered := want.Kind != "ping" && want.Kind != "pong"
	equal := got.Kind == want.Kind && (!numbered || want.Kind == "use" || got.N == want.N)
	switch want.Kind {
	case "use":
		equal = equal && got.Link == want.Link && got.After == want.After
	case "signal":
		equal = equal && got.To == want.To && got.Epoch == want.Epoch && sameJSON(got.Data, want.Data)
	case "broadcast":
		equal = equal && sameJSON(got.Data, want.Data)
	case "refresh":
		equal = equal && got.Token == want.Token
	case "change":
		equal = equal && (got.Name == nil) == (want.Name == nil) && (got.Name == nil || *got.Name == *want.Name) && sameJSON(got.Meta, want.Meta)
	}
	if !equal {
		t.Fatalf("%q: read as %+v, want %+v", text, got, want)
	}
}

// sameJSON says whether what is passed on is the text that came, in one line.
func sameJSON(got, want json.RawMessage) bool {
	if bytes.ContainsAny(got, "\r\n") || (got == nil) != (want == nil) {
		return false
	}
	if got == nil || bytes.Equal(got, want) {
		return true
	}
	var a, b bytes.Buffer
	return json.Compact(&a, got) == nil && json.Compact(&b, want) == nil && bytes.Equal(a.Bytes(), b.Bytes())
}

// FuzzUplink holds ParseUplink, or ParseNumbered where a number is implied, to a reference that encoding/json reads.
func FuzzUplink(f *testing.F) {
	v := readFrameVectors(f)
	for _, c := range v.Up {
		f.Add([]byte(c.Text), int64(0))
		f.Add([]byte(c.Text), max(c.N, 1))
	}
	for _, text := range []string{
		`{"kind":"signal","to":"bob","data":1}`, `{"kind":"leave","n":1e0}`, `{"kind":"leave","n":1.0}`, `{"kind":"leave","n":-0}`,
		`{"kind":"ack","n":9223372036854775808}`, `{"kind":"leave","n":null}`, `{"kind":null,"n":1}`, `{"kind":"change","n":1,"name":null}`,
		`{"kind":"change","n":1,"name":"\ud83d\ude00"}`, `{"kind":"change","n":1,"name":"\ud83d"}`, `{"kind":"signal","n":1,"to":"b\u006fb","data":"\/"}`,
		`{"kind":"\u0070ing"}`, `{"kind":"ping","data":{"a":[1,{"b":"\\\""}]},"x":1}`, `{"kind":"ping","Kind":1}`, `{"kind":"leave","n":1,"epoch":[1]}`,
		`{"kind":"leave","n":1,"name":{"a":1}}`, `{"kind":"leave","n":01}`, `{"kind":"leave","n":1,}`, "{\"kind\":\"leave\",\"n\":1,\"\x7f\":1}",
		"{\"kind\":\"change\",\"n\":1,\"name\":\"\x01\"}", "{\"kind\":\"signal\",\"n\":1,\"to\":\"b\",\"data\":\"\u2028\xff\"}", "\ufeff{\"kind\":\"ping\"}",
		`{"kind":"signal","n":1,"to":"b","data":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
	} {
		f.Add([]byte(text), int64(0))
		f.Add([]byte(text), int64(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, implied int64) {
		before := bytes.Clone(text)
		if implied = plainNumber(implied); implied == 0 {
			want, wanted := plainParse(text, 0, v.Limits)
			got, refusal := ParseUplink(text, v.Limits)
			compare(t, text, false, got, refusal, want, wanted)
		} else {
			want, wanted := plainNumbered(text, implied, v.Limits)
			got, refusal := ParseNumbered(text, implied, v.Limits)
			compare(t, text, true, got, refusal, want, wanted)
		}
		if !bytes.Equal(text, before) {
			t.Errorf("%q was changed to %q", before, text)
		}
	})
}
