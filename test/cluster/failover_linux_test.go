package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/internal/redistest"
)

// What a master had acknowledged may be lost with it: the sessions that it kept join again, not all at once, and no others do.
func testAReplicaTakesOver(t *testing.T) {
	t.Parallel()
	for name, redis := range map[string]func(t *testing.T) (url string, masters []*redistest.Server){
		"from a master that sentinels watch": func(t *testing.T) (string, []*redistest.Server) {
			master := redistest.Start(t, "--repl-diskless-sync-delay", "0")
			replica := redistest.Start(t, "--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1 "+fmt.Sprint(master.Port))
			replica.Await("INFO replication", "master_link_status:up")
			file := filepath.Join(t.TempDir(), "sentinel.conf")
			config := fmt.Sprintf("sentinel monitor rooms 127.0.0.1 %d 1\nsentinel down-after-milliseconds rooms 700\nsentinel failover-timeout rooms 5000\n", master.Port)
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			sentinel := redistest.NewSentinel(t, file)
			sentinel.Await("INFO sentinel", "slaves=1")
			return "redis+sentinel://" + sentinel.Address() + "/rooms", []*redistest.Server{master}
		},
		"in a Redis Cluster": func(t *testing.T) (string, []*redistest.Server) {
			nodes := redistest.Cluster(t, 3, 1)
			return redistest.ClusterURL(nodes), nodes
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, servers := redis(t)
			testTakeover(t, url, servers)
		})
	}
}

var keyOfRoom = regexp.MustCompile(`:r:(room\d+)`)

// roomsOf returns the rooms that a master keeps; none of a replica.
func roomsOf(server *redistest.Server) map[string]bool {
	rooms := make(map[string]bool)
	if !strings.Contains(server.Do("INFO replication"), "role:master") {
		return rooms
	}
	for _, found := range keyOfRoom.FindAllStringSubmatch(server.Do(`EVAL "return table.concat(redis.call('KEYS', '*'), ' ')" 0`), -1) {
		rooms[found[1]] = true
	}
	return rooms
}

func testTakeover(t *testing.T, url string, servers []*redistest.Server) {
	c := start(t, url, 2)
	const rooms = 12
	var all []*talker
	for i := range rooms {
		one, two := pair(t, fmt.Sprint("room", i), client.WebSocket, c.client())
		all = append(all, one, two)
	}
	var failed *redistest.Server
	var hit map[string]bool
	for _, server := range servers {
		if kept := roomsOf(server); len(kept) > len(hit) {
			failed, hit = server, kept
		}
	}
	if len(hit) == 0 || len(servers) > 1 && len(hit) == rooms {
		t.Fatalf("a master has %d of %d rooms", len(hit), rooms)
	}
	failed.Kill()
	began := time.Now()
	when := make(map[*talker]time.Duration)
	await(t, "all joins", func() bool {
		for i, k := range all {
			if _, back := when[k]; !back && hit[fmt.Sprint("room", i/2)] && k.rejoined.Load() > 0 {
				when[k] = time.Since(began)
			}
		}
		return len(when) == 2*len(hit)
	})
	first, last := time.Hour, time.Duration(0)
	for _, at := range when {
		first, last = min(first, at), max(last, at)
	}
	t.Logf("%d of %d join again, %v to %v after the end of their master", len(when), len(all), first.Round(time.Millisecond), last.Round(time.Millisecond))
	if len(when) > 4 && last-first < 100*time.Millisecond {
		t.Errorf("all join again within %v", last-first)
	}
	for i, k := range all {
		if room := fmt.Sprint("room", i/2); !hit[room] && k.rejoined.Load() > 0 {
			t.Errorf("%s in %s joined again, though its master lives", k.ID(), room)
		}
		await(t, "both in the room", func() bool { return len(k.Peers()) == 1 })
	}
	for i := 0; i < len(all); i += 2 { // and they go on
		one, two := all[i], all[i+1]
		if err := one.send(t.Context(), 1, 3); err != nil {
			t.Fatal(err)
		}
		await(t, "messages", func() bool { return two.got.Load() == 3 })
	}
}
