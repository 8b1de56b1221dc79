package relay

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// Streams that wait for their turn within the limit of all, and end, leave it to others: nobody waits for what
// nobody relays.
func TestStreamsThatEndGiveBackTheirTurns(t *testing.T) {
	const streams, chunk = 20, 8 << 10
	cfg := tcpConfig()
	cfg.Bits = 8 * chunk // a chunk a second
	server := newServer(t, cfg)
	t.Cleanup(func() { _ = server.Close() })
	addr := startStreams(t, "127.0.0.1", server.ServeTCP)
	c, _ := newController(t, addr, true)
	payload := make([]byte, chunk)
	_, _ = rand.Read(payload)
	for range streams {
		there := accepting(t) // a peer of its own: one connection leads to each
		id, err := c.signed(stun.MethodConnect, tcpPeer(there.Addr())).Get(stun.AttrConnectionID)
		if err != nil {
			t.Fatal(err)
		}
		data := c.bind(id, "")
		t.Cleanup(func() { _ = data.Close() })
		if _, err := data.Write(payload); err != nil {
			t.Fatal(err)
		}
	}
	waiting := func() time.Duration { return server.shared.Carry(time.Now(), 1) }
	for deadline := time.Now().Add(patience); waiting() < streams/2*time.Second; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("they wait for %v, want them to wait long", waiting())
		}
	}
	if got := codeOf(c.signed(stun.MethodRefresh, attribute(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
		t.Fatalf("Refresh: %d", got)
	}
	for deadline := time.Now().Add(patience); waiting() > 2*time.Second; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("others wait for %v, although the streams have ended", waiting())
		}
	}
}
