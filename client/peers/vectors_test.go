package peers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
)

type vectors struct {
	Trust struct {
		Key, Room, KeyID, SignKey string
		Fields                    []struct {
			Fields []string
			Hex    string
		}
		Keys struct {
			Good []struct{ Key, Hex string }
			Bad  []struct{ Says, Key string }
		}
		Signed []struct {
			Says, From, FromInstance, To, ToInstance string
			Fields                                   []string
			Note                                     json.RawMessage
		}
	}
	Relay struct {
		Key, Room string
		Frames    []struct {
			Says, From, FromInstance, To, ToInstance, FromNonce, ToNonce, Plain string
			Note, Unsealed                                                      json.RawMessage
		}
	}
	Notes struct {
		Read    []json.RawMessage
		Ignored []struct {
			Says string
			Note json.RawMessage
		}
	}
	Framing struct {
		Messages []struct {
			Size   int
			ID     uint32
			Chunks []struct {
				Length       int
				Head, SHA256 string
			}
		}
	}
	Pulse []struct {
		Kind    string
		Relayed bool
		Spare   bool
		Time    float64
		Hex     string
	}
	ChannelIDs []struct {
		Offerer, Answerer []string
		IDs               map[string]int
	} `json:"channelIds"`
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("../../docs/protocol/vectors/peers.json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectorsOfNotes(t *testing.T) {
	v := readVectors(t).Notes
	for _, text := range v.Read {
		n, err := parseNote(text)
		if err != nil {
			t.Errorf("%.100s: %v", text, err)
			continue
		}
		written, err := json.Marshal(n)
		again, err2 := parseNote(written)
		if err != nil || err2 != nil || again.kind != n.kind || again.generation != n.generation ||
			len(again.candidates) != len(n.candidates) || (n.proof == nil) != (again.proof == nil) ||
			again.nonce+again.echo+again.stream != n.nonce+n.echo+n.stream || again.number != n.number || again.webrtc != n.webrtc || !slices.Equal(again.channels, n.channels) {
			t.Errorf("%s was written as %s: %v %v", text, written, err, err2)
		}
	}
	for _, i := range v.Ignored {
		if n, err := parseNote(i.Note); err == nil {
			t.Errorf("%s: was read as %+v", i.Says, n)
		}
	}
	if len(v.Read) < 5 || len(v.Ignored) < 10 {
		t.Errorf("only %d and %d vectors", len(v.Read), len(v.Ignored))
	}
}

func TestVectorsOfTrust(t *testing.T) {
	v := readVectors(t).Trust
	key, err := parseKey(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newKeyring(key, v.Room)
	if err != nil || k.id != v.KeyID || hex.EncodeToString(k.sign) != v.SignKey {
		t.Errorf("the keyring is %+v, %v", k, err)
	}
	for _, f := range v.Fields {
		if got := hex.EncodeToString(signedText(f.Fields...)); got != f.Hex {
			t.Errorf("fields %q are %s, want %s", f.Fields, got, f.Hex)
		}
	}
	for _, good := range v.Keys.Good {
		if got, err := parseKey(good.Key); err != nil || hex.EncodeToString(got) != good.Hex {
			t.Errorf("key %s: %x, %v", good.Key, got, err)
		}
	}
	for _, bad := range v.Keys.Bad {
		if bad.Key == "" {
			continue // means none here
		}
		if _, err := (Config{Key: bad.Key}).resolved(); err == nil {
			t.Errorf("a key that is %s is taken", bad.Says)
		}
	}
	for _, s := range v.Signed {
		n, err := parseNote(s.Note)
		if err != nil {
			t.Fatalf("%s: %v", s.Says, err)
		}
		from, to := party{s.From, s.FromInstance}, party{s.To, s.ToInstance}
		serial, want := n.proof.Serial, *n.proof
		if got := signedMessage(n, from, to, serial); string(got) != string(signedText(s.Fields...)) {
			t.Errorf("%s: signed is %q", s.Says, got)
		}
		if err := k.check(n, from, to, serial-1); err != nil {
			t.Errorf("%s: %v", s.Says, err)
		}
		if k.prove(n, from, to, serial); *n.proof != want {
			t.Errorf("%s: the proof is %+v, want %+v", s.Says, *n.proof, want)
		}
	}
}

func TestVectorsOfFraming(t *testing.T) {
	for _, m := range readVectors(t).Framing.Messages {
		message := make([]byte, m.Size)
		for i := range message {
			message[i] = byte(31*i + i/256)
		}
		cut := chunker{message: message, id: m.ID}
		in := reassembly{limit: 1 << 30}
		buf := make([]byte, 0, chunkSize)
		for i, want := range m.Chunks {
			chunk := cut.next(buf)
			sum := sha256.Sum256(chunk)
			if len(chunk) != want.Length || hex.EncodeToString(sum[:]) != want.SHA256 {
				t.Errorf("size %d, chunk %d has %d bytes and begins with %x; want %d and %s", m.Size, i, len(chunk), chunk[:min(16, len(chunk))], want.Length, want.Head)
			}
			got, _, err := in.take(slices.Clone(chunk))
			if last := i == len(m.Chunks)-1; err != nil || (got != nil) != last || last && !slices.Equal(got, message) {
				t.Errorf("size %d: after chunk %d there are %d bytes, %v", m.Size, i, len(got), err)
			}
		}
		if more := cut.next(buf); more != nil {
			t.Errorf("size %d has more chunks", m.Size)
		}
	}
}

func TestVectorsOfThePulse(t *testing.T) {
	for _, p := range readVectors(t).Pulse {
		want, _ := hex.DecodeString(p.Hex)
		b := beat{relayed: p.Relayed, spare: p.Spare, time: math.Float64bits(p.Time), kind: map[string]byte{"ping": ping, "pong": pong}[p.Kind]}
		if got := b.encode(); string(got) != string(want) {
			t.Errorf("%s is %x, want %x", p.Kind, got, want)
		}
		if got, ok := parseBeat(want); !ok || got != b {
			t.Errorf("%x is %+v", want, got)
		}
	}
}

func TestVectorsOfIdentifiers(t *testing.T) {
	for _, v := range readVectors(t).ChannelIDs {
		for _, side := range []struct {
			near, far []string
			mine      bool
		}{{v.Offerer, v.Answerer, true}, {v.Answerer, v.Offerer, false}} {
			got := identifiers(side.near, side.far, side.mine)
			if len(got) != len(v.IDs) {
				t.Errorf("%q and %q: %v, want %v", side.near, side.far, got, v.IDs)
			}
			for name, id := range got {
				if int(id) != v.IDs[name] {
					t.Errorf("channel %s has %s, want %d", name, strconv.Itoa(int(id)), v.IDs[name])
				}
			}
		}
	}
}

func TestVectorsOfTheWayThroughTheServer(t *testing.T) {
	v := readVectors(t).Relay
	key, err := parseKey(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newKeyring(key, v.Room)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Frames {
		s, err := k.sealing(party{f.From, f.FromInstance}, party{f.To, f.ToInstance}, f.FromNonce, f.ToNonce)
		if err != nil {
			t.Fatal(err)
		}
		back, err := k.sealing(party{f.To, f.ToInstance}, party{f.From, f.FromInstance}, f.ToNonce, f.FromNonce)
		if err != nil {
			t.Fatal(err)
		}
		n, err := parseNote(f.Note)
		if err != nil {
			t.Fatal(err)
		}
		sort, text := dataSort, n.data
		if text == nil {
			sort, text = ackSort, n.ack
		}
		number := uint32(n.number)
		plain, _ := hex.DecodeString(f.Plain)
		sealed, _ := base64url.DecodeString(*text)
		if got := s.close(sort, number, plain); string(got) != string(sealed) {
			t.Errorf("%s: sealed it is %x, want %x", f.Says, got, sealed)
		}
		if got := s.open(sort, number, sealed); string(got) != string(plain) || got == nil {
			t.Errorf("%s: unsealed it is %x, want %x", f.Says, got, plain)
		}
		for what, got := range map[string][]byte{
			"of another sort":        s.open(1-sort, number, sealed),
			"under another number":   s.open(sort, number+1, sealed),
			"without its last byte":  s.open(sort, number, sealed[:len(sealed)-1]),
			"without anything":       s.open(sort, number, nil),
			"of the other direction": back.open(sort, number, sealed),
		} {
			if got != nil {
				t.Errorf("%s: %s it is unsealed", f.Says, what)
			}
		}
		if clear, err := parseNote(f.Unsealed); err != nil || clear.data != nil && *clear.data != base64url.EncodeToString(plain) {
			t.Errorf("%s: %s, %v", f.Says, f.Unsealed, err)
		}
	}
	if len(v.Frames) < 3 {
		t.Errorf("only %d vectors", len(v.Frames))
	}
}
