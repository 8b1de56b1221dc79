package wire

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// checkKeys refuses keys of a valid JSON object that are not written exactly as v's
// fields are, or that come twice: the decoder would take them, and another
// reader of the same bytes would not, or would take the other one.
func checkKeys(object []byte, v any, unreadable Code) *Error {
	known := fieldNames(reflect.TypeOf(v).Elem())
	var seen uint64
	for key := range topKeys(object) {
		at := slices.Index(known, string(key))
		if at < 0 {
			name := clip(string(key))
			return Refusef(UnknownField, "there is no field %q", name).In(name)
		}
		if seen&(1<<at) != 0 {
			return Refusef(unreadable, "%s is there twice", known[at]).In(known[at])
		}
		seen |= 1 << at
	}
	return nil
}

var fieldsOf sync.Map // reflect.Type to []string

// fieldNames returns the names of a struct's fields in JSON, at most 64.
func fieldNames(t reflect.Type) []string {
	if names, ok := fieldsOf.Load(t); ok {
		return names.([]string)
	}
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	fieldsOf.Store(t, names)
	return names
}

// topKeys yields the keys of a valid JSON object as they are written, without
// those of the objects within.
func topKeys(object []byte) func(yield func(key []byte) bool) {
	return func(yield func(key []byte) bool) {
		depth, isKey := 0, false
		for i := 0; i < len(object); i++ {
			switch object[i] {
			case '{', '[':
				depth++
				isKey = depth == 1
			case '}', ']':
				depth--
			case ',':
				isKey = depth == 1
			case ':':
				isKey = false
			case '"':
				text := object[i+1:]
				n := endOfString(text)
				if isKey && !yield(text[:n]) {
					return
				}
				i += n + 1
			}
		}
	}
}

// endOfString returns where the quote is that ends a JSON string.
func endOfString(text []byte) int {
	for at := 0; at <= len(text); {
		n := bytes.IndexAny(text[at:], `"\\`)
		if n < 0 {
			return len(text) // not valid JSON
		}
		if at += n; text[at] == '"' {
			return at
		}
		at += 2
	}
	return len(text)
}
