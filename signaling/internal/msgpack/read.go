package msgpack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// errShort says that a value is not whole.
var errShort = errors.New("msgpack: the input ends within a value")

// Reader reads values one after the other. After the first error it returns zero values, so that
// Err need be asked only once, at the end.
type Reader struct {
	rest []byte
	err  error
}

// NewReader returns a reader of b, which must not be written to any more: texts are parts of it.
func NewReader(b []byte) *Reader { return &Reader{rest: b} }

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Fail has the reader return zero values from here on, and err as Err, unless there is one.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err, r.rest = err, nil
	}
}

// take returns the next n bytes.
func (r *Reader) take(n int) []byte {
	if n > len(r.rest) {
		r.Fail(errShort)
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// number returns the next big-endian number of so many bytes.
func (r *Reader) number(bytes int) uint64 {
	b := r.take(bytes)
	if b == nil {
		return 0
	}
	switch bytes {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

func (r *Reader) kind() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0xc0
}

func (r *Reader) unexpected(kind byte, want string) {
	r.Fail(fmt.Errorf("msgpack: a value begins with %#x, where there should be %s", kind, want))
}

// Bool reads a boolean.
func (r *Reader) Bool() bool {
	switch kind := r.kind(); kind {
	case 0xc3:
		return true
	case 0xc2:
	default:
		r.unexpected(kind, "a boolean")
	}
	return false
}

// Int reads a number, and cuts off its fraction.
func (r *Reader) Int() int64 {
	switch kind := r.kind(); {
	case kind < 0x80:
		return int64(kind)
	case kind >= 0xe0:
		return int64(int8(kind))
	case kind >= 0xcc && kind <= 0xcf:
		return int64(r.number(1 << (kind - 0xcc)))
	case kind == 0xd0:
		return int64(int8(r.number(1)))
	case kind == 0xd1:
		return int64(int16(r.number(2)))
	case kind == 0xd2:
		return int64(int32(r.number(4)))
	case kind == 0xd3:
		return int64(r.number(8))
	case kind == 0xca:
		return int64(math.Float32frombits(uint32(r.number(4))))
	case kind == 0xcb:
		return int64(math.Float64frombits(r.number(8)))
	default:
		r.unexpected(kind, "a number")
	}
	return 0
}

// Bytes reads a text; false: false or nil is in its place.
func (r *Reader) Bytes() ([]byte, bool) {
	switch kind := r.kind(); {
	case kind == 0xc0 || kind == 0xc2:
		return nil, false
	case kind >= 0xa0 && kind < 0xc0:
		return r.take(int(kind & 0x1f)), true
	case kind >= 0xd9 && kind <= 0xdb:
		return r.take(int(r.number(1 << (kind - 0xd9)))), true
	case kind >= 0xc4 && kind <= 0xc6:
		return r.take(int(r.number(1 << (kind - 0xc4)))), true
	default:
		r.unexpected(kind, "a text")
	}
	return nil, false
}

// Text reads a text.
func (r *Reader) Text() string {
	b, _ := r.Bytes()
	return string(b)
}

// Array reads the beginning of an array, and returns how many values it has: never more than bytes are left.
func (r *Reader) Array() int {
	n := 0
	switch kind := r.kind(); {
	case kind >= 0x90 && kind < 0xa0:
		n = int(kind & 0x0f)
	case kind == 0xdc:
		n = int(r.number(2))
	case kind == 0xdd:
		n = int(r.number(4))
	case kind == 0x80: // an empty map: what an empty table of a script may be, too
	default:
		r.unexpected(kind, "an array")
	}
	if n > len(r.rest) {
		r.Fail(errShort)
		return 0
	}
	return n
}
