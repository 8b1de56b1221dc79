package peers

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

const (
	maxWhole = 1<<53 - 1 // what a number on the wire may be
	listMost = 256       // candidates and channels of a note, and candidates kept before their description
)

// The kinds of notes.
const (
	kindDescription = "description"
	kindCandidates  = "candidates"
	kindRenew       = "renew"
	kindRelay       = "relay"
	kindRelayed     = "relayed"
	kindKey         = "key"
)

// The types of descriptions.
const (
	offer  = "offer"
	answer = "answer"
)

// generation names one connection on both its ends: the epoch of the peer that began it, and a count of what
// that peer's process began. A later connection of two peers compares greater.
type generation struct{ epoch, count int64 }

func (g generation) compare(o generation) int {
	return cmp.Or(cmp.Compare(g.epoch, o.epoch), cmp.Compare(g.count, o.count))
}

// note is one message about a connection, in the data of a signal. Which fields it has depends on its kind.
type note struct {
	kind       string
	generation generation

	description description
	channels    []string // the sender's: their order, on the side that began the connection, gives them their identifiers
	proof       *proof

	candidates []*candidate // as they were found; nil is their end

	nonce, echo string // of a relay
	webrtc      bool

	stream    string // of a piece: the recipient's nonce
	number    int64
	data, ack *string

	key string // the name of the sender's key
}

type description struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

type candidate struct {
	Candidate        string  `json:"candidate"`
	SDPMid           *string `json:"sdpMid,omitempty"`
	SDPMLineIndex    *uint16 `json:"sdpMLineIndex,omitempty"`
	UsernameFragment *string `json:"usernameFragment,omitempty"`
}

// proof says that who made a note has the room's key, and that it is new.
type proof struct {
	Key    string `json:"key"` // its name
	Serial int64  `json:"serial"`
	MAC    string `json:"mac"`
}

// isSigned says whether a note has a proof where there is a key.
func (n *note) isSigned() bool {
	return n.kind == kindDescription || n.kind == kindRelay || n.kind == kindRenew
}

// MarshalJSON implements [json.Marshaler].
func (n *note) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"kind": n.kind}
	if n.proof != nil {
		fields["proof"] = n.proof
	}
	switch n.kind {
	case kindDescription, kindCandidates, kindRenew:
		fields["generation"] = [2]int64{n.generation.epoch, n.generation.count}
	}
	switch n.kind {
	case kindDescription:
		fields["description"] = n.description
		fields["channels"] = append([]string{}, n.channels...)
	case kindCandidates:
		fields["candidates"] = n.candidates
	case kindRelay:
		fields["nonce"] = n.nonce
		if n.echo != "" {
			fields["echo"] = n.echo
		}
		fields["webrtc"] = n.webrtc
		fields["channels"] = append([]string{}, n.channels...)
	case kindRelayed:
		fields["stream"], fields["n"] = n.stream, n.number
		if n.data != nil {
			fields["data"] = *n.data
		} else {
			fields["ack"] = *n.ack
		}
	case kindKey:
		fields["key"] = n.key
	}
	return json.Marshal(fields)
}

var (
	errNoNote      = errors.New("not of this protocol")
	errUnknownKind = errors.New("a kind of later times") // it may be dropped without a word
)

// parseNote reads the data of a signal. An error says why it is nothing that a peer of this kind says.
func parseNote(data []byte) (*note, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, errNoNote
	}
	r := reader{fields: fields}
	n := &note{kind: r.text("kind")}
	if r.err != nil {
		return nil, r.err
	}
	switch n.kind {
	case kindDescription:
		n.generation = r.generation()
		n.description = r.description()
		n.channels = r.texts("channels")
		n.proof = r.proof()
	case kindCandidates:
		n.generation = r.generation()
		n.candidates = r.candidates()
	case kindRenew:
		n.generation = r.generation()
		n.proof = r.proof()
	case kindRelay:
		n.nonce = r.nonce("nonce")
		if r.has("echo") {
			n.echo = r.nonce("echo")
		}
		r.read("webrtc", &n.webrtc)
		n.channels = r.texts("channels")
		n.proof = r.proof()
	case kindRelayed:
		n.stream = r.nonce("stream")
		n.number = r.whole("n")
		r.fault(n.number == 0 || n.number >= 1<<32, "n is not 1 to 2^32 - 1")
		n.data, n.ack = r.piece("data"), r.piece("ack")
		r.fault((n.data == nil) == (n.ack == nil), "there is not one of data and ack")
	case kindKey:
		n.key = r.base64("key")
	default:
		return nil, errUnknownKind
	}
	if r.err != nil {
		return nil, r.err
	}
	return n, nil
}

// reader takes the fields out of a JSON object; err is the first fault.
type reader struct {
	fields map[string]json.RawMessage
	err    error
}

// read unmarshals a field that has to be there and is not null.
func (r *reader) read(name string, into any) {
	text, is := r.fields[name]
	switch {
	case r.err != nil:
	case !is || string(text) == "null":
		r.err = fmt.Errorf("no %s", name)
	default:
		if err := json.Unmarshal(text, into); err != nil {
			r.err = fmt.Errorf("%s: %w", name, err)
		}
	}
}

func (r *reader) fault(is bool, format string, args ...any) {
	if is && r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) object(name string) *reader {
	inner := &reader{}
	r.read(name, &inner.fields)
	inner.err = r.err
	return inner
}

func (r *reader) text(name string) (text string) {
	r.read(name, &text)
	return text
}

var base64Text = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

func (r *reader) base64(name string) string {
	text := r.text(name)
	r.fault(!base64Text.MatchString(text), "%s is not in base64url", name)
	return text
}

func (r *reader) has(name string) bool {
	_, is := r.fields[name]
	return is
}

// nonce reads 16 bytes in text.
func (r *reader) nonce(name string) string {
	text := r.base64(name)
	r.fault(len(text) != 22, "%s is not 16 bytes", name)
	return text
}

// piece reads bytes in text, nil if there are none.
func (r *reader) piece(name string) *string {
	if !r.has(name) {
		return nil
	}
	text := r.base64(name)
	return &text
}

func (r *reader) whole(name string) int64 {
	var f float64 // since 1.0 and 1e3 are whole, too
	r.read(name, &f)
	return r.integer(name, f)
}

func (r *reader) integer(name string, f float64) int64 {
	if !(f >= 0 && f <= maxWhole) || f != float64(int64(f)) {
		r.fault(true, "%s is no whole number below 2^53", name)
		return 0
	}
	return int64(f)
}

func (r *reader) generation() (g generation) {
	var numbers []*float64
	r.read("generation", &numbers)
	if len(numbers) != 2 || numbers[0] == nil || numbers[1] == nil {
		r.fault(true, "generation is not two numbers")
		return g
	}
	return generation{r.integer("generation", *numbers[0]), r.integer("generation", *numbers[1])}
}

func (r *reader) description() description {
	inner := r.object("description")
	d := description{Type: inner.text("type"), SDP: inner.text("sdp")}
	inner.fault(d.Type != offer && d.Type != answer, "description is neither an offer nor an answer")
	r.err = inner.err
	return d
}

func (r *reader) texts(name string) []string {
	var list []*string
	r.read(name, &list)
	r.fault(len(list) > listMost, "%s has more than %d entries", name, listMost)
	texts := make([]string, 0, len(list))
	for _, text := range list {
		if text == nil {
			r.fault(true, "an entry of %s is no text", name)
			break
		}
		texts = append(texts, *text)
	}
	return texts
}

func (r *reader) candidates() []*candidate {
	var list []map[string]json.RawMessage
	r.read("candidates", &list)
	r.fault(len(list) > listMost, "candidates has more than %d entries", listMost)
	candidates := make([]*candidate, 0, len(list))
	for _, fields := range list {
		if fields == nil {
			candidates = append(candidates, nil)
			continue
		}
		inner := reader{fields: fields, err: r.err}
		candidates = append(candidates, &candidate{Candidate: inner.text("candidate")}) // the rest is not needed
		r.err = inner.err
	}
	return candidates
}

func (r *reader) proof() *proof {
	if !r.has("proof") {
		return nil
	}
	inner := r.object("proof")
	p := &proof{Key: inner.text("key"), Serial: inner.whole("serial"), MAC: inner.text("mac")}
	r.err = inner.err
	return p
}
