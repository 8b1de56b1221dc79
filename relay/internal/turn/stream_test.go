package turn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/pion/stun/v3"
)

// RFC 8656 sections 2.1 and 12.5.
func TestStreamFraming(t *testing.T) {
	binding := build(stun.MethodBinding, stun.ClassRequest, stun.NewSoftware("abc"))
	data := func(channel uint16, size int) []byte {
		p := binary.BigEndian.AppendUint16(nil, channel)
		p = binary.BigEndian.AppendUint16(p, uint16(size))
		return append(p, make([]byte, padded(size))...)
	}
	lying := func(size uint16) []byte {
		p := bytes.Clone(binding[:headerSize])
		binary.BigEndian.PutUint16(p[2:], size)
		return p
	}
	tests := map[string]struct {
		stream []byte
		wide   bool
		sizes  []int
		rest   int
		fails  bool
	}{
		"nothing yet":          {nil, false, nil, 0, false},
		"one message":          {binding, false, []int{28}, 0, false},
		"half a message waits": {binding[:27], false, nil, 27, false},
		"two messages at once": {append(bytes.Clone(binding), binding...), false, []int{28, 28}, 0, false},
		"ChannelData is padded to 4, Length says its size without":    {append(bytes.Clone(binding), data(0x4000, 5)...), false, []int{28, 12}, 0, false},
		"ChannelData waits for its padding":                           {append(bytes.Clone(binding), data(0x4000, 5)[:9]...), false, []int{28}, 9, false},
		"ChannelData of Length 0":                                     {append(bytes.Clone(binding), data(0x4FFF, 0)...), false, []int{28, 4}, 0, false},
		"a Length of 0xFFFF":                                          {append(bytes.Clone(binding), data(0x4000, 0xFFFF)...), false, []int{28, 65540}, 0, false},
		"a Length of 0xFFEC, which overflows 16 bits with its header": {lying(0xFFEC), false, nil, 20, false},
		"a Length of 0xFFFC":                                          {lying(0xFFFC), false, nil, 20, false},
		"a Length of 0xFFEC, all there":                               {append(lying(0xFFEC), make([]byte, 0xFFEC)...), false, []int{65536}, 0, false},
		"a Length that is not a multiple of 4":                        {lying(0xFFED)[:4], false, nil, 0, true},
		"another magic cookie, as soon as it is there":                {append([]byte{0, 1, 0, 0}, "\x21\x12\xa4\x43"...), false, nil, 0, true},
		"ChannelData first, as a GET request looks":                   {[]byte("GET / HTTP/1.1\r\n"), false, nil, 0, true},
		"a TLS handshake":                                             {[]byte{0x16}, false, nil, 0, true},
		"something else behind a message":                             {append(bytes.Clone(binding), 0x16), false, []int{28}, 0, true},
		"channel numbers of RFC 5766":                                 {append(bytes.Clone(binding), data(0x7FFF, 1)...), false, []int{28}, 0, true},
		"channel numbers of RFC 5766, where they may":                 {append(bytes.Clone(binding), data(0x7FFF, 1)...), true, []int{28, 8}, 0, false},
		"nothing is a channel number above, ever":                     {append(bytes.Clone(binding), data(0x8000, 1)...), true, []int{28}, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := Stream{Wide: test.wide}
			sizes, rest, err := cut(&s, test.stream)
			if (err != nil) != test.fails || err != nil && !errors.Is(err, ErrFrame) {
				t.Errorf("got %v", err)
			}
			if len(sizes) != len(test.sizes) || !test.fails && rest != test.rest {
				t.Fatalf("got messages of %v bytes and %d more, want %v and %d", sizes, rest, test.sizes, test.rest)
			}
			for i := range sizes {
				if sizes[i] != test.sizes[i] {
					t.Errorf("got %v, want %v", sizes, test.sizes)
				}
			}
			// The same must come out however the bytes are cut on their way, one by one at worst.
			s = Stream{Wide: test.wide}
			var slow []int
			at := 0
			for n := 0; n <= len(test.stream) && n < 1000; n++ {
				size, err := s.Next(test.stream[at:n])
				if err != nil {
					break
				}
				if size > 0 {
					slow = append(slow, size)
					at += size
				}
			}
			for i := range slow {
				if slow[i] != test.sizes[i] {
					t.Errorf("byte by byte: got %v, want %v", slow, test.sizes)
				}
			}
		})
	}
}

// cut cuts a stream as a reader would.
func cut(s *Stream, p []byte) (sizes []int, rest int, err error) {
	for {
		n, err := s.Next(p)
		if n == 0 || err != nil {
			return sizes, len(p), err
		}
		sizes, p = append(sizes, n), p[n:]
	}
}

func FuzzStream(f *testing.F) {
	for _, v := range [][]byte{vectorRequest, vectorIPv4, vectorIPv6, vectorLongTerm, vectorSHA256, []byte("GET /"), {0, 1, 0xff, 0xec}, {0x40, 0, 0, 0, 0x40, 1, 0xff, 0xff}} {
		f.Add(v, false)
		f.Add(append(bytes.Clone(vectorRequest), v...), true)
	}
	f.Fuzz(func(t *testing.T, p []byte, wide bool) {
		s := Stream{Wide: wide}
		first := true
		for len(p) > 0 {
			n, err := s.Next(p)
			switch {
			case err != nil && n != 0, n < 0, n > len(p), n > MaxFrame, n&3 != 0:
				t.Fatalf("got %d, %v for %d bytes", n, err, len(p))
			case err != nil:
				return
			case n == 0:
				if len(p) >= MaxFrame {
					t.Fatalf("waits for more than %d bytes", len(p))
				}
				return
			case first && p[0] > 3:
				t.Fatalf("the first message begins with %x", p[0])
			}
			first, p = false, p[n:]
		}
	})
}
