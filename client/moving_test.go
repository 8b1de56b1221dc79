package client

import (
	"fmt"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

// Who is asked to move has the next link before it leaves the one before: nothing waits for it, and nothing is lost.
func TestALinkThatIsToMoveIsReplacedFirst(t *testing.T) {
	for _, kind := range []Link{Auto, WebSocket, Events} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			s := serve(t, signaling.Config{Timing: signaling.Timing{MaxLinkAge: 4 * time.Second}})
			here := kind
			if kind == Auto {
				here = WebSocket
			}
			ada, bob := join(t, s.url, Options{Peer: "ada", Link: kind}), join(t, s.url, Options{Peer: "bob", Link: kind})
			for _, m := range []*member{ada, bob} {
				if m.Link() != here {
					m.awaitLink(here)
				}
			}
			moves := func() (count uint64) {
				for _, change := range s.server.Stats().LinkChanges {
					if change.From == here.String() && change.To == here.String() {
						count += change.Count
					}
				}
				return count
			}
			between := func() (links []Link) {
				for _, m := range []*member{ada, bob} {
					for _, e := range m.seen {
						if change, is := e.(LinkChanged); is && change.Link != here {
							links = append(links, change.Link)
						}
					}
					m.seen = nil
				}
				return links
			}
			between()
			// On a busy machine the server may close a link before there is another one; then there are polls in between.
			var seen []Link
			for from, n, deadline := moves(), 1, time.Now().Add(4*patience); ; n++ {
				if time.Now().After(deadline) {
					t.Fatalf("at the last of %d moves these links were in use in between: %v", moves(), seen)
				}
				ada.send("bob", n)
				if got := bob.number(await[Signal](bob, nil)); got != n {
					t.Fatalf("got %d, want %d", got, n)
				}
				bob.send("ada", n)
				if got := ada.number(await[Signal](ada, nil)); got != n {
					t.Fatalf("got %d, want %d", got, n)
				}
				if now := moves(); now >= from+2 {
					if seen = between(); len(seen) == 0 {
						return
					}
					from = now
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
}
