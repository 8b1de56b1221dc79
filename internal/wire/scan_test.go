package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func FuzzValue(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,2,{"b":null}]}`, `[]`, `"x\u00e9\n"`, `-0.5e+10`, `[[[[{}]]]]`, "{\"a\" : 1 , \"b\":\"\t\"}",
		`"twenty-four characters, \"and more\", and still some"`, strings.Repeat("[", 130) + strings.Repeat("]", 130),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := scanner{text: text}
		raw, ok := s.value()
		if ok = ok && s.space() == 0 && s.at == len(text); ok != json.Valid(text) {
			t.Fatalf("%q is valid: %v, says the scanner", text, ok)
		}
		if ok && !bytes.Equal(raw, bytes.Trim(text, " \t\r\n")) {
			t.Fatalf("the value of %q is %q", text, raw)
		}
	})
}

func TestValuesAreNestedToADepth(t *testing.T) {
	for depth, want := range map[int]bool{1: true, 63: true, 64: true, 65: true, 1000: true, maxDepth: true, maxDepth + 1: false} {
		for _, pair := range []string{"[]", "{}"} {
			text := strings.Repeat(pair[:1], depth) + strings.Repeat(pair[1:], depth)
			if pair == "{}" {
				text = strings.Repeat(`{"a":`, depth-1) + "{}" + strings.Repeat("}", depth-1)
			}
			s := scanner{text: []byte(text)}
			if _, ok := s.value(); ok != want {
				t.Errorf("%d deep in %s: %v", depth, pair, ok)
			}
		}
	}
}
