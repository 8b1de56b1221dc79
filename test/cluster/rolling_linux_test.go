package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/internal/redistest"
)

// term sends SIGTERM to the node and returns how long it took to end, and how.
func (n *node) term() (took time.Duration, err error) {
	n.mu.Lock()
	process := n.process
	n.process = nil
	n.mu.Unlock()
	began := time.Now()
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	late := time.AfterFunc(patience, func() { _ = process.Process.Kill() })
	defer late.Stop()
	err = process.Wait()
	return time.Since(began), err
}

// balancer sends connections to the nodes that are ready, as it finds out ten times a second.
type balancer struct {
	c     *cluster
	ready []atomic.Bool
	stop  chan struct{}
	work  sync.WaitGroup
}

func balance(t testing.TB, c *cluster) *balancer {
	b := &balancer{c: c, ready: make([]atomic.Bool, len(c.nodes)), stop: make(chan struct{})}
	for i, n := range c.nodes {
		b.work.Go(func() {
			for {
				b.ready[i].Store(n.ready())
				select {
				case <-b.stop:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	t.Cleanup(func() {
		close(b.stop)
		b.work.Wait()
	})
	return b
}

func (b *balancer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var dialer net.Dialer
	err := errors.New("no node is ready")
	for _, i := range rand.Perm(len(b.c.nodes)) {
		if !b.ready[i].Load() {
			continue
		}
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, network, b.c.nodes[i].address); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// client keeps its connections, as browsers do.
func (b *balancer) client(t testing.TB) *http.Client {
	transport := &http.Transport{DialContext: b.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// All nodes are restarted, one after the other, while pairs talk.
func testRollingRestart(t *testing.T) {
	t.Parallel()
	const drain = 5 * time.Second
	c := start(t, redistest.Start(t).URL(), 3, "--drain-delay", "500ms", "--drain-window", drain.String())
	b := balance(t, c)
	await(t, "all nodes", func() bool { return b.ready[0].Load() && b.ready[1].Load() && b.ready[2].Load() })
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()

	var over atomic.Bool
	var talks sync.WaitGroup
	var all []*talker
	for i := range 2 * len(kinds) {
		room := fmt.Sprint("room", i)
		one, two := pair(t, room, kinds[i%len(kinds)], b.client(t))
		all = append(all, one, two)
		for _, k := range []*talker{one, two} {
			talks.Go(func() {
				for n := int64(1); ; n++ {
					if over.Load() {
						k.last.Store(n - 1)
						return
					}
					if err := k.send(ctx, n, n); err != nil {
						t.Errorf("%s in %s, link %v: %v", k.ID(), room, k.Link(), err)
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
	}
	lost := func() (count int64) {
		for _, k := range all {
			if k.kind == client.WebSocket || k.kind == client.Events {
				count += k.lost.Load()
			}
		}
		return count
	}
	began := time.Now()
	for i, n := range c.nodes {
		took, err := n.term()
		if err != nil {
			t.Errorf("node %d ended with %v", i, err)
		}
		t.Logf("node %d drained in %v; streams that were lost so far: %d of %d", i, took.Round(time.Millisecond), lost(), 2*len(all)/len(kinds))
		if took < 500*time.Millisecond || took > drain+5*time.Second {
			t.Errorf("node %d took %v to end", i, took)
		}
		n.start()
		await(t, "the node", b.ready[i].Load)
	}
	t.Logf("all after %v", time.Since(began).Round(time.Millisecond))
	over.Store(true)
	talks.Wait()
	for i, k := range all {
		room := fmt.Sprint("room", i/2)
		await(t, "the last messages in "+room, func() bool { return k.problem.Load() != nil || k.got.Load() >= k.other.last.Load() })
		k.check(t, room, k.other.last.Load())
	}
}

// One process that keeps its rooms itself is restarted: all are told, and come back.
func testRestartInMemory(t *testing.T) {
	t.Parallel()
	c := start(t, "", 1)
	var all []*talker
	for i, kind := range kinds {
		room := fmt.Sprint("room", i)
		one, two := pair(t, room, kind, c.client())
		all = append(all, one, two)
	}
	took, err := c.nodes[0].term()
	if err != nil || took > 8*time.Second {
		t.Errorf("it ended after %v: %v", took, err)
	}
	t.Logf("it ended after %v", took.Round(time.Millisecond))
	c.nodes[0].start()
	for _, k := range all {
		await(t, fmt.Sprintf("a join of %s over %v", k.ID(), k.kind), func() bool { return k.rejoined.Load() == 1 && k.Link() != client.Auto })
		await(t, "both", func() bool { return len(k.Peers()) == 1 })
		if why := k.why.Load(); why == nil || *why != "rejoin" {
			t.Errorf("%s over %v joined again for %v, want rejoin", k.ID(), k.kind, why)
		}
	}
	// Nobody is left to wait for.
	for _, k := range all {
		k.Close()
	}
	time.Sleep(time.Second)
	if took, err := c.nodes[0].term(); err != nil || took > 8*time.Second {
		t.Errorf("it ended after %v: %v", took, err)
	}
}
