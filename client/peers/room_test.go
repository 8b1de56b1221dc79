package peers

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/parley-rtc/parley/signaling"
)

func TestMessagesOfAllSizesArriveBothWays(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, signaling.Config{})
	alice, bob := s.join("alice", Config{}), s.join("bob", Config{})
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	for _, size := range []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 1 << 20, 10 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			message := make([]byte, size)
			_, _ = rand.Read(message)
			for _, way := range []struct {
				from, to *member
				out, in  *Channel
			}{{alice, bob, ac, bc}, {bob, alice, bc, ac}} {
				done := make(chan []byte)
				go func() { done <- way.to.read(way.in) }()
				way.from.write(way.out, message)
				if got := <-done; !bytes.Equal(got, message) {
					t.Errorf("%s sent %d bytes, and %s got %d others", way.from.ID(), size, way.to.ID(), len(got))
				}
			}
		})
	}
	alice.until("the path is known", func() bool {
		p := alice.Peer("bob").Path()
		return p.Kind == Direct && p.Protocol == "udp" && p.RTT > 0
	})
}
