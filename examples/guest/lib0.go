package main

import (
	"encoding/binary"
	"errors"
)

// What the editor's messages are written in: numbers of any size, seven bits a byte, the lowest first, and bytes behind their number.

// encode writes numbers (uint64) and bytes.
func encode(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch part := part.(type) {
		case uint64:
			b = binary.AppendUvarint(b, part)
		case []byte:
			b = binary.AppendUvarint(b, uint64(len(part)))
			b = append(b, part...)
		}
	}
	return b
}

var errEnds = errors.New("the message ends too early")

// decoder reads them; err is the first fault, after which everything is 0 and empty.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || d.err != nil {
		d.err = errEnds
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if n > uint64(len(d.rest)) || d.err != nil {
		d.err = errEnds
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}
