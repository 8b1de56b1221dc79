package wire

import (
	"fmt"
	"strings"
	"testing"
)

// signalOf is a signal frame with so many bytes of text in it.
func signalOf(size int) []byte {
	return fmt.Appendf(nil, `{"kind":"signal","n":7,"to":"bob","epoch":1764000000000,"data":{"type":"candidate","text":%q}}`, strings.Repeat("x", size))
}

func TestReadingASignalTakesMemoryOnlyForWhatIsKept(t *testing.T) {
	message, limits := signalOf(200), Limits{Frame: 1 << 16, Broadcast: 1 << 13}
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := ParseUplink(message, limits); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 2 { // to and data
		t.Errorf("%v allocations, want 2", allocations)
	}
}

func BenchmarkParseUplink(b *testing.B) {
	limits := Limits{Frame: 1 << 16, Broadcast: 1 << 13}
	for _, size := range []int{200, 4000} {
		message := signalOf(size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseUplink(message, limits); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
