package main

import (
	"bytes"
	"testing"
)

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	message := encode(uint64(0), uint64(300), uint64(1<<32-1), []byte("state"), []byte{})
	if want := []byte{0, 0xac, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 5, 's', 't', 'a', 't', 'e', 0}; !bytes.Equal(message, want) {
		t.Errorf("encoded is %x, want %x", message, want)
	}
	d := decoder{rest: message}
	if a, b, c, text, none := d.number(), d.number(), d.number(), d.bytes(), d.bytes(); d.err != nil ||
		a != 0 || b != 300 || c != 1<<32-1 || string(text) != "state" || len(none) != 0 || len(d.rest) != 0 {
		t.Errorf("decoded is %d %d %d %q %q, %v", a, b, c, text, none, d.err)
	}
	for _, short := range [][]byte{{}, {0x80}, {5, 'a'}, bytes.Repeat([]byte{0xff}, 20)} {
		if d := (decoder{rest: short}); len(d.bytes()) != 0 || d.err == nil {
			t.Errorf("%x is taken", short)
		}
	}
}
