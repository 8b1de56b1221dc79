package websocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const limit = 1000 // bytes of a message

// masked is a frame as a client sends it; first is its first byte.
func masked(first byte, payload string) string {
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

// received is what a connection made of what came in.
type received struct {
	messages []string // "nil" for one that is not text
	answers  []string
	settled  int // messages
	err      error
}

// read feeds a connection in pieces of a size, then closes it.
func read(t testing.TB, in net.Conn, out net.Conn, text string, size int) received {
	t.Helper()
	c := newConn(in)
	go func() {
		for piece := range slices.Chunk([]byte(text), size) {
			if _, err := out.Write(piece); err != nil {
				break
			}
			if size < 10 && len(text) < 100 {
				time.Sleep(100 * time.Microsecond) // for the pieces to arrive apart
			}
		}
		if tcp, ok := out.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		} else {
			_ = out.Close()
		}
	}()
	var r received
	r.err = c.Each(limit, &r)
	_, _ = in.Close(), out.Close()
	if r.settled < len(r.messages) {
		t.Errorf("%d of %d messages are settled", r.settled, len(r.messages))
	}
	return r
}

func (r *received) Message(b []byte) {
	text := "nil"
	if b != nil {
		text = string(b)
	}
	r.messages = append(r.messages, text)
}

func (r *received) Settle() { r.settled = len(r.messages) }

func (r *received) Answer(b []byte) { r.answers = append(r.answers, string(b)) }

func tcpPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if a, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func pipe(testing.TB) (a, b net.Conn) { return net.Pipe() }

func TestFramesOfAClient(t *testing.T) {
	long := strings.Repeat("0123456789", 99)
	tests := map[string]struct {
		in       string
		messages []string
		answers  []string
		err      error
	}{
		"a message":                        {in: masked(0x81, "hello"), messages: []string{"hello"}, err: io.EOF},
		"an empty one":                     {in: masked(0x81, ""), messages: []string{""}, err: io.EOF},
		"several at once":                  {in: masked(0x81, "a") + masked(0x81, "b") + masked(0x81, "c"), messages: []string{"a", "b", "c"}, err: io.EOF},
		"a long one":                       {in: masked(0x81, long), messages: []string{long}, err: io.EOF},
		"as long as may be":                {in: masked(0x81, strings.Repeat("x", limit)), messages: []string{strings.Repeat("x", limit)}, err: io.EOF},
		"one too long":                     {in: masked(0x81, strings.Repeat("x", limit+1)), err: ErrTooLarge},
		"a length beyond everything":       {in: "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", err: ErrTooLarge},
		"a length with its sign bit":       {in: "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x01\x01\x02\x03\x04", err: ErrTooLarge},
		"fragments":                        {in: masked(0x01, "a") + masked(0x00, "b") + masked(0x80, "c"), messages: []string{"abc"}, err: io.EOF},
		"fragments too long in all":        {in: masked(0x01, long) + masked(0x80, long), err: ErrTooLarge},
		"a ping between fragments":         {in: masked(0x01, "a") + masked(0x89, "p") + masked(0x80, "c"), messages: []string{"ac"}, answers: []string{"\x8a\x01p"}, err: io.EOF},
		"a pong":                           {in: masked(0x8a, "p") + masked(0x81, "a"), messages: []string{"a"}, err: io.EOF},
		"a binary message":                 {in: masked(0x82, "x"), messages: []string{"nil"}, err: io.EOF},
		"binary fragments":                 {in: masked(0x02, "x") + masked(0x80, "y"), messages: []string{"nil"}, err: io.EOF},
		"a goodbye":                        {in: masked(0x88, "\x03\xe8bye") + masked(0x81, "late"), answers: []string{"\x88\x02\x03\xe8"}, err: errClosed},
		"a goodbye without a code":         {in: masked(0x88, ""), answers: []string{"\x88\x00"}, err: errClosed},
		"a goodbye with half a code":       {in: masked(0x88, "\x03"), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a goodbye with a code of nobody":  {in: masked(0x88, "\x03\xee"), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a message, then a goodbye":        {in: masked(0x81, "a") + masked(0x88, "\x03\xe8"), messages: []string{"a"}, answers: []string{"\x88\x02\x03\xe8"}, err: errClosed},
		"a frame that is not masked":       {in: "\x81\x01a", answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a compressed frame":               {in: masked(0xc1, "a"), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a reserved bit":                   {in: masked(0x91, "a"), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a data opcode that is not there":  {in: masked(0x83, "a"), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a control one that is not there":  {in: masked(0x8b, "a"), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a ping in fragments":              {in: masked(0x09, "a"), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a ping that is too long":          {in: masked(0x89, strings.Repeat("p", 126)), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a fragment of nothing":            {in: masked(0x80, "a"), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a message in the middle of one":   {in: masked(0x01, "a") + masked(0x81, "b"), answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
		"a frame that breaks off":          {in: masked(0x81, "hello")[:7], err: io.EOF},
		"nothing":                          {err: io.EOF},
		"more than fits into one buffer":   {in: strings.Repeat(masked(0x81, long), 20), messages: slices.Repeat([]string{long}, 20), err: io.EOF},
		"a message, then one that is none": {in: masked(0x81, "a") + "\x81\x01b", messages: []string{"a"}, answers: []string{"\x88\x02\x03\xea"}, err: errProtocol},
	}
	for name, test := range tests {
		for kind, pair := range map[string]func(testing.TB) (net.Conn, net.Conn){"TCP": tcpPair, "pipe": pipe} {
			for _, size := range []int{1, 7, 1 << 20} {
				if size == 1 && len(test.in) > 5000 {
					continue
				}
				t.Run(name+" over "+kind, func(t *testing.T) {
					in, out := pair(t)
					got := read(t, in, out, test.in, size)
					if !errors.Is(got.err, test.err) || !slices.Equal(got.messages, test.messages) || !slices.Equal(got.answers, test.answers) {
						t.Errorf("in pieces of %d:\ngot  %.200q %q %v\nwant %.200q %q %v", size, got.messages, got.answers, got.err, test.messages, test.answers, test.err)
					}
				})
			}
		}
	}
}

func TestAMessageIsAppendedAsItIsRead(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 100000} {
		payload := bytes.Repeat([]byte{'x'}, size)
		b := appendMessage(nil, opText, payload)
		var got int
		switch b[1] {
		case 126:
			got, b = int(binary.BigEndian.Uint16(b[2:])), b[4:]
		case 127:
			got, b = int(binary.BigEndian.Uint64(b[2:])), b[10:]
		default:
			got, b = int(b[1]), b[2:]
		}
		if got != size || !bytes.Equal(b, payload) {
			t.Errorf("%d bytes are announced as %d, and come as %d", size, got, len(b))
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(masked(0x81, "hello") + masked(0x89, "p")))
	f.Add([]byte(masked(0x01, "a") + masked(0x80, "c")))
	f.Add([]byte("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"))
	f.Fuzz(func(t *testing.T, text []byte) {
		// In one piece and byte by byte it has to come to the same.
		var got [2]received
		for i, size := range []int{1, len(text) + 1} {
			in, out := net.Pipe()
			got[i] = read(t, in, out, string(text), size)
		}
		if !slices.Equal(got[0].messages, got[1].messages) || !slices.Equal(got[0].answers, got[1].answers) {
			t.Errorf("byte by byte %+v, at once %+v", got[0], got[1])
		}
		for _, m := range got[0].messages {
			if len(m) > limit {
				t.Errorf("a message of %d bytes", len(m))
			}
		}
	})
}

func TestNoMessageFollowsACloseFrame(t *testing.T) {
	c := &Conn{handler: deaf{}}
	if b := c.Append(nil, 1, []byte("{}")); len(b) != 4 {
		t.Fatalf("before it, a message is %x", b)
	}
	if err := c.control(opClose, nil); err == nil {
		t.Fatal("a close frame is not the end")
	}
	if b := c.Append([]byte("x"), 2, []byte("{}")); string(b) != "x" {
		t.Errorf("after it, a message is %x", b)
	}
}
