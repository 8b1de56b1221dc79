package tokens

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
)

// Verb is something that a token can allow.
type Verb string

// The verbs.
const (
	Join      Verb = "join"
	Signal    Verb = "signal"
	Broadcast Verb = "broadcast"
)

// Claims are what a token says of its user.
type Claims struct {
	Subject string    // "sub", never empty
	Name    string    // "name"; "": none
	Rooms   []string  // "rooms", as they are in the token
	Can     []Verb    // "can", without what is no verb
	Expires time.Time // "exp"
}

// room says whether the claims allow a room. A pattern that ends in "*" allows what begins with
// the rest of it; any other "*" stands for itself, which no room's name holds.
func (c Claims) room(name string) bool {
	return slices.ContainsFunc(c.Rooms, func(pattern string) bool {
		prefix, open := strings.CutSuffix(pattern, "*")
		return pattern == name || open && strings.HasPrefix(name, prefix)
	})
}

// payload is a token's middle part, kept as it came until the signature is verified.
type payload struct {
	raw json.RawMessage
	jwt.RegisteredClaims
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *payload) UnmarshalJSON(raw []byte) error {
	p.raw = bytes.Clone(raw)
	return nil
}

// claims reads the payload, and fills in what the library's validator looks at.
func (p *payload) claims() (Claims, error) {
	fields, err := object(p.raw)
	if err != nil {
		return Claims{}, err
	}
	var c Claims
	var can []string
	faults := []error{
		text(fields, "sub", &c.Subject),
		text(fields, "name", &c.Name),
		list(fields, "rooms", &c.Rooms),
		list(fields, "can", &can),
		date(fields, "exp", &p.ExpiresAt),
		date(fields, "nbf", &p.NotBefore),
		date(fields, "iat", &p.IssuedAt),
		text(fields, "iss", &p.Issuer),
		audience(fields, &p.Audience),
	}
	switch {
	case c.Subject == "":
		faults = append(faults, errors.New("sub is missing or empty"))
	case p.ExpiresAt == nil:
		faults = append(faults, errors.New("exp is missing"))
	case strings.ContainsFunc(c.Subject+c.Name, unicode.IsControl):
		faults = append(faults, errors.New("sub or name holds control characters"))
	}
	if err := errors.Join(faults...); err != nil {
		return Claims{}, err
	}
	for _, word := range can {
		if verb := Verb(word); verb == Join || verb == Signal || verb == Broadcast {
			c.Can = append(c.Can, verb)
		}
	}
	c.Expires = p.ExpiresAt.Time
	return c, nil
}

// object reads a JSON object whose names are unique (RFC 7515 section 4, RFC 7519 section 4) and
// mean what they say to the letter, case included.
func object(raw []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("not JSON")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("not JSON")
		}
		if _, twice := fields[name.(string)]; twice {
			return nil, errors.New("a name occurs twice")
		}
		fields[name.(string)] = value
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, errors.New("not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return fields, nil
}

// text reads a string, if it is there.
func text(fields map[string]json.RawMessage, name string, into *string) error {
	raw, ok := fields[name]
	if ok && (raw[0] != '"' || json.Unmarshal(raw, into) != nil) {
		return fmt.Errorf("%s is not a string", name)
	}
	return nil
}

// list reads an array of strings, if it is there.
func list(fields map[string]json.RawMessage, name string, into *[]string) error {
	raw, ok := fields[name]
	if !ok {
		return nil
	}
	var items []*string // a null among strings shows as nil
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil || slices.Contains(items, nil) {
		return fmt.Errorf("%s is not an array of strings", name)
	}
	for _, item := range items {
		*into = append(*into, *item)
	}
	return nil
}

// audience reads "aud", a string or an array of them (RFC 7519 section 4.1.3).
func audience(fields map[string]json.RawMessage, into *jwt.ClaimStrings) error {
	if raw, ok := fields["aud"]; ok && raw[0] == '"' {
		*into = make(jwt.ClaimStrings, 1)
		return text(fields, "aud", &(*into)[0])
	}
	return list(fields, "aud", (*[]string)(into))
}

// maxDate is the last second of the year 9999, where RFC 3339 ends too.
const maxDate = 253402300799

// date reads a NumericDate (RFC 7519 section 2), if it is there, and drops its fraction.
func date(fields map[string]json.RawMessage, name string, into **jwt.NumericDate) error {
	raw, ok := fields[name]
	if !ok {
		return nil
	}
	var seconds *float64 // stays nil for null
	if json.Unmarshal(raw, &seconds) != nil || seconds == nil {
		return fmt.Errorf("%s is not a number", name)
	}
	if *seconds < 0 || *seconds > maxDate {
		return fmt.Errorf("%s is out of range", name)
	}
	*into = &jwt.NumericDate{Time: time.Unix(int64(math.Floor(*seconds)), 0)}
	return nil
}
