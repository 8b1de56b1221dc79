package cluster

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/internal/redistest"
)

var (
	messages = flag.Int64("messages", 5000, "messages where each request meets any node, all together")
	pairs    = flag.Int("pairs", 8, "pairs that send them")
)

var kinds = []client.Link{client.Auto, client.WebSocket, client.Events, client.LongPoll, client.ShortPoll}

// Each request goes to any of three nodes, one of which is killed every second.
func testEachRequestMeetsAnyNode(t *testing.T) {
	t.Parallel()
	for name, redis := range map[string]func() string{
		"on one Redis":       func() string { return redistest.Start(t).URL() },
		"on a Redis Cluster": func() string { return redistest.ClusterURL(redistest.Cluster(t, 3, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, redis(), 3)
			ctx, cancel := context.WithTimeout(context.Background(), max(2*patience, time.Duration(*messages)*20*time.Millisecond))
			defer cancel()
			var talks, kills sync.WaitGroup
			upset, calm := context.WithCancel(ctx)
			defer calm()
			killed := 0
			began := time.Now()
			each := *messages / int64(2**pairs)
			for i := range *pairs {
				room := fmt.Sprintf("room%d", i)
				one, two := pair(t, room, kinds[i%len(kinds)], c.client())
				talks.Go(func() { talk(ctx, t, room, one, two, each) })
			}
			kills.Go(func() { killed = c.upset(upset, time.Second) })
			talks.Wait()
			calm()
			kills.Wait()
			t.Logf("%d messages, %d nodes killed, %v", each*int64(2**pairs), killed, time.Since(began).Round(time.Millisecond))
		})
	}
}
