package worker

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// Whatever the sizes of messages and of the pieces in which they come, they are cut off whole and in order.
func TestAnIntakeKeepsWhatComes(t *testing.T) {
	for name, largest := range map[string]int{"small messages": 40, "middling": 3000, "large": 30_000, "as large as they get": 0xffff} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(largest)))
			var stream []byte
			for len(stream) < 2<<20 {
				size := random.IntN(largest + 1)
				stream = append(stream, 0x40, 0)
				stream = binary.BigEndian.AppendUint16(stream, uint16(size))
				for i := range (size + 3) &^ 3 {
					stream = append(stream, byte(i))
				}
			}
			frames := begun(t)
			in := newIntake()
			defer in.settle()
			var got []byte
			for left := stream; len(left) > 0; {
				room := in.free()
				if len(room) == 0 {
					t.Fatal("there is no room")
				}
				n := copy(room[:1+random.IntN(len(room))], left)
				left = left[n:]
				in.came(n)
				for {
					n, err := frames.Next(in.bytes())
					if err != nil {
						t.Fatal(err)
					}
					if n == 0 {
						break
					}
					got = append(got, in.bytes()[:n]...)
					in.from += n
				}
			}
			if !bytes.Equal(got, stream) {
				t.Errorf("%d bytes, not those %d that came", len(got), len(stream))
			}
			in.free()
			in.rest()
			if len(in.buf) != smallBuffer || in.large != nil {
				t.Errorf("%d bytes are kept where nothing comes", len(in.buf))
			}
		})
	}
}

// begun returns a stream that has brought its first message.
func begun(t *testing.T) *turn.Stream {
	t.Helper()
	binding := make([]byte, 20)
	binary.BigEndian.PutUint16(binding, 1)
	binary.BigEndian.PutUint32(binding[4:], 0x2112A442)
	var frames turn.Stream
	if n, err := frames.Next(binding); n != 20 || err != nil {
		t.Fatal(n, err)
	}
	return &frames
}
