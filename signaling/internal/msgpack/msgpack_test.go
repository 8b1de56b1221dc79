package msgpack

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	numbers := []int64{0, 1, 127, 128, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, 1 << 53, math.MaxInt64, -1, -33, math.MinInt64}
	texts := []string{"", "a", strings.Repeat("b", 31), strings.Repeat("c", 32), strings.Repeat("d", 256), strings.Repeat("e", 1<<16)}
	lengths := []int{0, 15, 16, 1 << 16}
	var b []byte
	for _, n := range numbers {
		b = AppendInt(b, n)
	}
	for _, text := range texts {
		b = AppendText(b, text)
	}
	b = AppendBool(AppendBool(b, true), false)
	for _, n := range lengths {
		b = AppendArray(b, n)
		b = append(b, bytes.Repeat([]byte{0}, n)...)
	}
	r := NewReader(b)
	for _, n := range numbers {
		if got := r.Int(); got != n {
			t.Errorf("got %d, want %d", got, n)
		}
	}
	for _, text := range texts {
		if got := r.Text(); got != text {
			t.Errorf("got a text of %d bytes, want %d", len(got), len(text))
		}
	}
	if !r.Bool() || r.Bool() {
		t.Error("the booleans are not true and false")
	}
	for _, n := range lengths {
		if got := r.Array(); got != n {
			t.Errorf("got an array of %d, want %d", got, n)
		}
		for range n {
			r.Int()
		}
	}
	if r.Err() != nil || len(r.rest) != 0 {
		t.Errorf("%d bytes are left, error %v", len(r.rest), r.Err())
	}
}

func TestWhatScriptsWrite(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		want int64
	}{
		{"a small negative number", "\xff", -1},
		{"8 bits", "\xd0\x80", -128},
		{"16 bits", "\xd1\x80\x00", -32768},
		{"32 bits", "\xd2\x80\x00\x00\x00", math.MinInt32},
		{"unsigned", "\xcc\xff", 255},
		{"a number with a fraction", "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", 1},
		{"one with less precision", "\xca\x40\x20\x00\x00", 2},
	} {
		if got := NewReader([]byte(c.text)).Int(); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
	if _, is := NewReader([]byte("\xc2")).Bytes(); is {
		t.Error("false is a text")
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("\x93\x01\xa1a\xc3"), "iab")
	f.Add([]byte("\xdd\xff\xff\xff\xff"), "a")
	f.Add([]byte("\xdb\xff\xff\xff\xff"), "t")
	f.Fuzz(func(t *testing.T, b []byte, calls string) {
		r := NewReader(b)
		for _, call := range calls {
			switch call {
			case 'i':
				r.Int()
			case 't':
				r.Text()
			case 'b':
				r.Bool()
			case 'a':
				if n := r.Array(); n > len(b) {
					t.Fatalf("an array of %d in %d bytes", n, len(b))
				}
			}
		}
	})
}
