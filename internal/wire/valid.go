package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths of what a join may hold; limits that an operator can change are in
// Limits instead.
const (
	MaxRoom     = 128
	MaxPeer     = 64
	MaxInstance = 64
	MinAttempt  = 22 // 128 bits in base64
	MaxAttempt  = 128
	MaxResume   = 128
)

// ValidRoom says whether name can be a room's: 1–128 unreserved URL characters
// (RFC 3986 section 2.3), and not a dot segment.
func ValidRoom(name string) bool {
	return ValidName(name, MaxRoom)
}

// ValidName says whether s is 1 to limit unreserved URL characters and not a dot segment.
func ValidName(s string, limit int) bool {
	if len(s) < 1 || len(s) > limit || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isToken(c) && c != '.' && c != '~' {
			return false
		}
	}
	return true
}

// validAttempt says whether s can hold 128 random bits, in base64url or hex.
func validAttempt(s string) bool {
	if len(s) < MinAttempt || len(s) > MaxAttempt {
		return false
	}
	for i := range len(s) {
		if !isToken(s[i]) {
			return false
		}
	}
	return true
}

func isToken(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// checkText refuses a shown text that is too long or holds what cannot be shown.
func checkText(field, s string, limit int) *Error {
	switch {
	case len(s) > limit:
		return Refusef(BadField, "%s is %d bytes; the limit is %d", field, len(s), limit).In(field).Over(int64(limit))
	case !utf8.ValidString(s):
		return Refusef(BadField, "%s is not valid UTF-8", field).In(field)
	case strings.ContainsFunc(s, unicode.IsControl):
		return Refusef(BadField, "%s holds control characters", field).In(field)
	}
	return nil
}

// ClipText makes a shown text of s that is valid and not too long.
func ClipText(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	for len(s) > limit {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

func checkMeta(meta []byte, limit int) *Error {
	if len(meta) > limit {
		return Refusef(BadField, "meta is %d bytes; the limit is %d", len(meta), limit).In("meta").Over(int64(limit))
	}
	return nil
}
