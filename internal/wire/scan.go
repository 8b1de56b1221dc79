package wire

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
)

// scanner goes over JSON text (RFC 8259) once. What it passes over is valid, but for UTF-8, which
// is checked for the whole text at once.
type scanner struct {
	text    []byte
	at      int
	deepest int // objects and arrays in each other, in what was passed over
}

// peek returns the byte at hand; 0 at the end of the text.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

// space passes over white space, and returns the byte behind it.
func (s *scanner) space() byte {
	for s.at < len(s.text) {
		c := s.text[s.at]
		if c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		s.at++
	}
	return 0
}

// take passes over c, with white space before it; false: something else is there.
func (s *scanner) take(c byte) bool {
	if s.space() != c || s.at >= len(s.text) {
		return false
	}
	s.at++
	return true
}

// maxDepth is how deep objects and arrays may be nested: as in encoding/json.
const maxDepth = 10000

// value passes over one value and returns it as it is written.
func (s *scanner) value() (raw []byte, ok bool) {
	s.space()
	start := s.at
	if c := s.peek(); c != '{' && c != '[' {
		ok = s.scalar()
		return s.text[start:s.at], ok
	}
	var nest nesting
	for {
		// Here a value begins.
		switch c := s.space(); c {
		case '{', '[':
			s.at++
			if nest.depth == maxDepth {
				return nil, false
			}
			nest.open(c == '{')
			s.deepest = max(s.deepest, nest.depth)
			if s.space() == c+2 { // } and ] are two behind { and [
				break
			}
			if c == '{' && !s.key() {
				return nil, false
			}
			continue
		default:
			if !s.scalar() {
				return nil, false
			}
		}
		// Here one has ended, or an empty one is about to.
		for {
			c := s.space()
			if c == ',' {
				s.at++
				if nest.object() && !s.key() {
					return nil, false
				}
				break
			}
			if nest.object() && c != '}' || !nest.object() && c != ']' {
				return nil, false
			}
			s.at++
			if nest.close(); nest.depth == 0 {
				return s.text[start:s.at], true
			}
		}
	}
}

// key passes over the name of a member and the colon behind it.
func (s *scanner) key() bool {
	s.space()
	_, ok := s.str()
	return ok && s.take(':')
}

// scalar passes over a string, a number, or one of the three literals.
func (s *scanner) scalar() bool {
	switch c := s.peek(); {
	case c == '"':
		_, ok := s.str()
		return ok
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return false
}

func (s *scanner) literal(word string) bool {
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

// str passes over a string and returns it with its quotes.
func (s *scanner) str() (raw []byte, ok bool) {
	if s.peek() != '"' {
		return nil, false
	}
	start := s.at
	for i := s.plain(s.at + 1); i < len(s.text); i = s.plain(i + 1) {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			return s.text[start:s.at], true
		case c < ' ':
			return nil, false
		case c == '\\':
			i++
			if i == len(s.text) {
				return nil, false
			}
			switch s.text[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(s.text)-i <= 4 {
					return nil, false
				}
				for _, h := range s.text[i+1 : i+5] {
					if !isHex(h) {
						return nil, false
					}
				}
				i += 4
			default:
				return nil, false
			}
		}
	}
	return nil, false
}

// plain returns where, at i or behind it, the text is no longer such as means itself in a string: it
// looks at eight bytes at a time, and stops at the first eight with a quote, a backslash or a control character.
func (s *scanner) plain(i int) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s.text); i += 8 {
		eight := binary.LittleEndian.Uint64(s.text[i:])
		quote, slash := eight^low*'"', eight^low*'\\'
		// Of each byte, the high bit: it is 0 before the subtraction and was borrowed from.
		found := (quote-low)&^quote | (slash-low)&^slash | (eight-low*' ')&^eight
		if found&high != 0 {
			return i + bits.TrailingZeros64(found&high)/8
		}
	}
	return i
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return false
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		return s.digits()
	}
	return true
}

// digits passes over one or more digits.
func (s *scanner) digits() bool {
	start := s.at
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > start
}

// nesting remembers which of the open values are objects, and which arrays.
type nesting struct {
	depth int
	top   uint64   // the innermost 64, the last bit the innermost; 1: an object
	outer []uint64 // the others, 64 at a time
}

func (n *nesting) open(object bool) {
	if n.depth > 0 && n.depth%64 == 0 {
		n.outer = append(n.outer, n.top)
	}
	n.depth++
	n.top <<= 1
	if object {
		n.top |= 1
	}
}

func (n *nesting) close() {
	n.depth--
	n.top >>= 1
	if n.depth > 0 && n.depth%64 == 0 {
		n.top = n.outer[len(n.outer)-1]
		n.outer = n.outer[:len(n.outer)-1]
	}
}

// object says whether the innermost is one.
func (n *nesting) object() bool { return n.top&1 == 1 }

// unquoted returns what a valid string, with its quotes, says.
func unquoted(raw []byte) string {
	for _, c := range raw {
		if c == '\\' {
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return "" // not reached: it is valid
			}
			return s
		}
	}
	return string(raw[1 : len(raw)-1])
}
