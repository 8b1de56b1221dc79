package redisstore

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/signaling/storetest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "48") // the tests mostly wait
	leaktest.Main(m)
}

var prefixesMade atomic.Int64

// open opens a store whose keys are its own.
func open(t testing.TB, url string) *Store {
	t.Helper()
	return openAs(t, url, fmt.Sprintf("test-%d", prefixesMade.Add(1)))
}

func openAs(t testing.TB, url, prefix string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Config{URL: url, Prefix: prefix, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func contract(t *testing.T, url string) {
	for _, c := range storetest.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.Run(t, open(t, url))
		})
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	contract(t, redistest.Start(t).URL())
}

// A room may have more peers than Lua passes values to a function.
func TestARoomOfVeryManyPeers(t *testing.T) {
	t.Parallel()
	const more = 9000
	server := redistest.Start(t)
	s := open(t, server.URL())
	alice := s.enter(t, "room", "alice", rules())
	p := s.partitionOf("room")
	server.Do(fmt.Sprintf(`EVAL "local h, c = cmsgpack.unpack(redis.call('HGET', KEYS[1], 'h%[1]s')), redis.call('HGET', KEYS[1], 'c%[1]s'); `+
		`for i = 1, %[2]d do h[4] = 'p' .. i; redis.call('HSET', KEYS[1], 'hs' .. i, cmsgpack.pack(h), 'cs' .. i, c); `+
		`redis.call('HSET', KEYS[2], h[4], 's' .. i) end" 2 %[3]s %[4]sl:room`, alice.Session, more, p.state("room"), p.tag))
	roster, err := s.Roster(context.Background(), "room")
	if err != nil || len(roster.Peers) != 1+more {
		t.Errorf("%d peers are in the room, want %d; error %v", len(roster.Peers), 1+more, err)
	}
}

func TestStoreOnACluster(t *testing.T) {
	t.Parallel()
	contract(t, redistest.ClusterURL(redistest.Cluster(t, 3, 0)))
}
