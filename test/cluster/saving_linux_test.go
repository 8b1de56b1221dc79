package cluster

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/internal/redistest"
)

var (
	savingRooms = flag.Int("rooms", 60, "rooms of two where it is measured what hashing saves")
	savingNodes = flag.Int("nodes", 3, "nodes there")
	savingEach  = flag.Int64("each", 4, "signals that each of the peers sends there")
)

const talking = 32 // pairs at once

// hash is how the file has haproxy choose nodes.
const hash = "balance hash path,field(4,/),crc32,mod(1024)"

// Of a signal the nodes that listen to its partition are told: behind a balancer that knows of partitions that is one, else more.
func testHashingSaves(t *testing.T) {
	t.Parallel()
	told := make(map[string]float64)
	for _, way := range []string{hash, "balance hash path,field(4,/)", "balance random"} {
		redis := redistest.Start(t)
		c := behind(t, redis.URL(), *savingNodes, "--no-relay", "--trusted-proxy", "127.0.0.1")
		f := startFront(t, "compose/haproxy.cfg", certify(t), append(c.servers(), hash, way)...)
		empty := c.sum(t, "process_resident_memory_bytes")
		pairs := make([][2]*talker, *savingRooms)
		var joins sync.WaitGroup
		for first := range 16 {
			joins.Go(func() {
				for i := first; i < len(pairs); i += 16 {
					for j, peer := range []string{"one", "two"} {
						pairs[i][j] = enterAt(t, "http://"+f.address, fmt.Sprintf("room-%d", i), peer, client.WebSocket, f.client(t, "127.0.0.1"))
					}
					pairs[i][0].other, pairs[i][1].other = pairs[i][1], pairs[i][0]
				}
			})
		}
		joins.Wait()
		for _, pair := range pairs {
			await(t, "links", func() bool { return pair[0].Link() == client.WebSocket && pair[1].Link() == client.WebSocket })
		}
		time.Sleep(time.Duration(*savingRooms) * time.Millisecond) // what joining left behind
		t.Logf("%.1f KB of the nodes' memory for each session", (c.sum(t, "process_resident_memory_bytes")-empty)/float64(2*len(pairs))/1e3)
		nodesBefore, redisBefore := c.sum(t, "process_cpu_seconds_total"), redisCPU(t, redis)
		ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
		defer cancel()
		var talks sync.WaitGroup
		for first := range talking {
			talks.Go(func() {
				for i := first; i < len(pairs); i += talking {
					takeTurns(ctx, t, pairs[i], *savingEach)
				}
			})
		}
		talks.Wait()
		told[way] = listenersEach(t, redis)
		signals := float64(2**savingEach) * float64(len(pairs))
		t.Logf("%-50s %d rooms: %.2f nodes told of a signal, %.1f µs of the nodes' and %.1f µs of Redis' CPU for each", way, len(pairs), told[way],
			(c.sum(t, "process_cpu_seconds_total")-nodesBefore)*1e6/signals, (redisCPU(t, redis)-redisBefore).Seconds()*1e6/signals)
		for _, pair := range pairs {
			pair[0].Close()
			pair[1].Close()
		}
	}
	if told[hash] != 1 || told["balance random"] < 1.3 {
		t.Errorf("%v nodes are told of a signal, want 1 with partitions hashed, and more otherwise", told)
	}
}

// servers replaces the servers of a file by the nodes.
func (c *cluster) servers() []string {
	var lines strings.Builder
	for i, n := range c.nodes {
		fmt.Fprintf(&lines, "    server node%d %s id %d\n", i, n.address, i+1)
	}
	return []string{
		"    server a node-a:8080 id 1\n", lines.String(),
		"    server b node-b:8080 id 2\n", "",
		"    server c node-c:8080 id 3\n", "",
	}
}

// takeTurns has two send each other signals, each of which is awaited, so that there is a wake for each.
func takeTurns(ctx context.Context, t *testing.T, pair [2]*talker, each int64) {
	for n := range each {
		for _, k := range pair {
			if err := k.send(ctx, n+1, n+1); err != nil {
				t.Error(err)
				return
			}
			for k.other.got.Load() <= n {
				if ctx.Err() != nil || k.other.problem.Load() != nil {
					t.Errorf("signal %d has not come", n+1)
					return
				}
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// listening returns how many nodes listen to a partition, of those partitions that anybody listens to.
func listenersEach(t testing.TB, redis *redistest.Server) float64 {
	t.Helper()
	sum := 0
	for field := range strings.FieldsSeq(redis.Do("CLIENT LIST")) {
		if count, found := strings.CutPrefix(field, "ssub="); found {
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	channels, err := strconv.Atoi(strings.TrimPrefix(redis.Do("PUBSUB SHARDCHANNELS"), "*"))
	if err != nil || channels == 0 {
		t.Fatalf("Redis has %d channels (%v)", channels, err)
	}
	return float64(sum) / float64(channels)
}

// redisCPU is what a Redis has used.
func redisCPU(t testing.TB, redis *redistest.Server) time.Duration {
	t.Helper()
	var sum float64
	for line := range strings.Lines(redis.Do("INFO cpu")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += seconds
		}
	}
	return time.Duration(sum * float64(time.Second))
}

// sum is that of a metric of all nodes.
func (c *cluster) sum(t testing.TB, metric string) (sum float64) {
	t.Helper()
	for _, n := range c.nodes {
		sum += n.metric(t, metric)
	}
	return sum
}
