package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// MaxNested is how deep the objects and arrays in a value of a client's may be nested. It is carried in others, and
// readers of JSON refuse, or fail at, what is nested too deep: whom it is for could read nothing any more.
const MaxNested = 512

// readObject reads the one JSON object that text has to be, and calls set with the number of
// each field and its value. Every name must be written as in names, and come once: other readers
// of JSON would take another, or the other one. Errors are in the client's terms; unreadable is the
// code of what is no JSON, or of a value nested deeper than deepest. Of JSON, read is true, and set was called even for what follows an error.
func readObject(text []byte, names []string, unreadable Code, deepest int, set func(field int, value []byte) *Error) (read bool, first *Error) {
	s := scanner{text: text}
	if !s.take('{') {
		return false, Refusef(unreadable, "not a JSON object")
	}
	if !utf8.Valid(text) {
		// Passed on, it would break the connection of whoever is to read it.
		first = Refusef(unreadable, "not valid UTF-8")
	}
	var seen uint64
	for more := s.space() != '}'; more; {
		s.space()
		key, ok := s.str()
		if !ok || !s.take(':') {
			return false, Refusef(unreadable, "not valid JSON")
		}
		s.deepest = 0
		value, ok := s.value()
		if !ok {
			return false, Refusef(unreadable, "not valid JSON")
		}
		var err *Error
		switch field := indexOf(names, key[1:len(key)-1]); {
		case field < 0:
			name := clip(string(key[1 : len(key)-1]))
			err = Refusef(UnknownField, "there is no field %q", name).In(name)
		case seen&(1<<field) != 0:
			err = Refusef(unreadable, "%s is there twice", names[field]).In(names[field])
		case s.deepest > deepest:
			seen |= 1 << field
			err = Refusef(unreadable, "%s is nested over %d deep", names[field], deepest).In(names[field]).Over(int64(deepest))
		default:
			seen |= 1 << field
			err = set(field, value)
		}
		if first == nil {
			first = err
		}
		if s.space() == '}' {
			break
		}
		if !s.take(',') {
			return false, Refusef(unreadable, "not valid JSON")
		}
	}
	if s.at++; s.space() != 0 || s.at < len(text) {
		return false, Refusef(unreadable, "something follows the JSON object")
	}
	return true, first
}

func indexOf(names []string, name []byte) int {
	for i, known := range names {
		if known == string(name) {
			return i
		}
	}
	return -1
}

// readArray returns the elements of a valid JSON array; null has none.
func readArray(field string, value []byte) ([]json.RawMessage, *Error) {
	if value[0] == 'n' {
		return nil, nil
	}
	if value[0] != '[' {
		return nil, wrongType(field, value)
	}
	elements := []json.RawMessage{}
	s := scanner{text: value, at: 1}
	for s.space() != ']' {
		element, _ := s.value()
		elements = append(elements, element)
		s.take(',')
	}
	return elements, nil
}

// readText reads a string; null is an empty one.
func readText(field string, value []byte) (string, *Error) {
	switch value[0] {
	case '"':
		return unquoted(value), nil
	case 'n':
		return "", nil
	}
	return "", wrongType(field, value)
}

// readNumber reads an integer into n; null leaves it as it is.
func readNumber(field string, value []byte, n *int64) *Error {
	if value[0] == 'n' {
		return nil
	}
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return wrongType(field, value)
	}
	read, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		*n = 0
		return wrongType(field, value)
	}
	*n = read
	return nil
}

// readRaw keeps a value as it is, in memory of its own and without line breaks, so that every link
// can carry it in a line.
func readRaw(value []byte) json.RawMessage {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return append(json.RawMessage(nil), value...)
	}
	return OneLine(value)
}

func wrongType(field string, value []byte) *Error {
	var kind string
	switch value[0] {
	case '"':
		kind = "string"
	case '{':
		kind = "object"
	case '[':
		kind = "array"
	case 't', 'f':
		kind = "bool"
	default:
		return Refusef(BadField, "%s cannot be %s", field, clip(string(value))).In(field)
	}
	return Refusef(BadField, "%s cannot be of type %s", field, kind).In(field)
}

// TooDeep says whether a valid JSON value is nested deeper than [MaxNested].
func TooDeep(value []byte) bool {
	s := scanner{text: value}
	_, _ = s.value()
	return s.deepest > MaxNested
}
