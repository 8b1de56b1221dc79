package tokens

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// header is what a token says of its signature.
type header struct {
	algorithm string
	key       string // its id; "": none named
}

// readHeader returns a token's header (RFC 7515 section 4), or ErrMalformed. A token with
// extensions that must be understood ("crit") is refused, as none are.
func readHeader(token string) (header, error) {
	malformed := func(why string) (header, error) {
		return header{}, fmt.Errorf("%w: %s", ErrMalformed, why)
	}
	if len(token) > MaxToken {
		return malformed(fmt.Sprintf("longer than %d bytes", MaxToken))
	}
	if strings.Count(token, ".") != 2 {
		return malformed("not three parts")
	}
	// The decoder would pass over line ends, so that one token could be written in many ways.
	if strings.ContainsFunc(token, func(r rune) bool { return r != '.' && !isBase64URL(r) }) {
		return malformed("not base64url")
	}
	first, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil {
		return malformed("header is not base64url")
	}
	fields, err := object(raw)
	if err != nil {
		return malformed("header is " + err.Error())
	}
	if _, ok := fields["crit"]; ok {
		return malformed("header has crit")
	}
	var h header
	if text(fields, "alg", &h.algorithm) != nil || h.algorithm == "" {
		return malformed("header has no alg")
	}
	if text(fields, "kid", &h.key) != nil {
		return malformed("kid in the header is not a string")
	}
	return h, nil
}

func isBase64URL(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}
