package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/signaling/store"
)

// spent returns what scripts and other commands a node asked for while f ran, without what scripts ran themselves.
func spent(server *redistest.Server, f func()) map[string]int {
	before := server.Commands()
	f()
	asked := make(map[string]int)
	for name, n := range server.Commands() {
		switch name {
		case "evalsha", "hexists", "ssubscribe", "sunsubscribe", "eval":
			if d := n - before[name]; d > 0 {
				asked[name] = d
			}
		}
	}
	return asked
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server.URL())
	ctx := context.Background()
	warm := s.enter(t, "room", "warm", rules()) // every script is known now
	if _, err := warm.send(1, "nobody", "1"); err != nil {
		t.Fatal(err)
	}
	var bob *guest
	count := func(what, want string, f func()) {
		t.Helper()
		if got := fmt.Sprint(spent(server, f)); got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	count("a join and its link", "map[evalsha:2]", func() { bob = s.enter(t, "room", "bob", rules()) })
	count("the first watcher of a partition", "map[hexists:1 ssubscribe:1]", func() { bob.watched() })
	count("another one", "map[hexists:1]", func() { warm.watched() })
	count("a signal, from end to end", "map[evalsha:2]", func() {
		if _, err := warm.send(2, "bob", "1"); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Exchange(ctx, bob.ref, store.Exchange{Max: 1 << 20, Fence: bob.fence}); err != nil {
			t.Fatal(err)
		}
	})
	count("a renewal", "map[evalsha:1]", func() { _ = bob.renew() })
	clients := 0
	for line := range strings.Lines(server.Do("CLIENT LIST")) {
		if strings.Contains(line, "name=parley") {
			clients++
		}
	}
	if clients != 2 {
		t.Errorf("the node has %d connections, want one for steps and one that listens", clients)
	}
	if got := server.Do("PUBSUB SHARDCHANNELS"); got != "*1" {
		t.Errorf("the node listens to %s partitions, want 1", got)
	}
}

// most is what an idle session may take, in bytes.
const most = 2 << 10

func TestMemoryOfIdleSessions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server.URL())
	ctx := context.Background()
	used := func() int {
		_, rest, _ := strings.Cut(server.Do("INFO memory"), "used_memory:")
		line, _, _ := strings.Cut(rest, "\r")
		n, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	pair := func(room string) {
		var names [2]*guest
		for i, peer := range []string{"peer-of-sixteen0", "peer-of-sixteen1"} {
			g := s.enter(t, room, peer, rules())
			g.renew()
			names[i] = g
		}
		if _, err := names[0].Exchange(ctx, names[0].ref, store.Exchange{Ack: 9}); err != nil {
			t.Fatal(err)
		}
	}
	pair("warm")
	const rooms = 500
	before := used()
	for i := range rooms {
		pair(fmt.Sprintf("a-room-with-a-name-like-this-%06d", i))
	}
	each := (used() - before) / (2 * rooms)
	t.Logf("an idle session in a room of two takes %d bytes", each)
	if each > most {
		t.Errorf("an idle session takes %d bytes, more than %d", each, most)
	}
}
