package cluster

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
)

// patience is how long anything may take on a busy machine.
const patience = time.Minute

var program string // cmd/signal, built

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // they mostly wait
	leaktest.Main(m)
}

func TestCluster(t *testing.T) {
	program = filepath.Join(t.TempDir(), "signal")
	build := exec.Command("go", slices.Concat([]string{"build", "-o", program}, overlay(t), []string{"../../cmd/signal"})...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Run("each request meets any node", testEachRequestMeetsAnyNode)
	t.Run("clients of a killed node go on elsewhere", testClientsOfAKilledNodeGoOnElsewhere)
	t.Run("behind balancers", testBalancers)
	t.Run("hashing saves messages", testHashingSaves)
	t.Run("Redis is gone for five seconds", testRedisIsGoneForFiveSeconds)
	t.Run("Redis starts again, empty", testRedisStartsAgainEmpty)
	t.Run("a replica takes over", testAReplicaTakesOver)
	t.Run("each request meets a new process", testEachRequestMeetsANewProcess)
	t.Run("peers go on over the backup of a killed relay", testPeersGoOnOverTheBackupOfAKilledRelay)
	t.Run("clients are told of relays that come and go", testClientsAreToldOfRelaysThatComeAndGo)
	t.Run("all nodes are restarted, one after the other", testRollingRestart)
	t.Run("a process with rooms of its own is restarted", testRestartInMemory)
	t.Run("a crowd moves", testCrowdMoves)
}

// node is a process of cmd/signal. It ends with its test.
type node struct {
	t       testing.TB
	address string
	admin   string // where it has metrics, if it does
	args    []string
	clock   []string // its environment

	mu      sync.Mutex
	process *exec.Cmd // guarded by mu; nil: it does not run
}

// cluster are nodes on one Redis, with a balancer in front that sends each connection to any that lives.
type cluster struct {
	t     testing.TB
	nodes []*node
}

// start starts so many nodes, with more arguments, and without a relay unless those name some. Without a Redis each has rooms of its own.
func start(t testing.TB, redis string, count int, more ...string) *cluster {
	t.Helper()
	if !slices.Contains(more, "--turn-url") {
		more = append(more, "--no-relay")
	}
	c := &cluster{t: t}
	for i := range count {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n := &node{t: t, address: l.Addr().String(), clock: clock(i)}
		l.Close()
		n.args = []string{"--listen", n.address, "--log-level", "error", "--max-connections", "100000", "--public-url", "http://cluster.test", "--join-rate", "10000"}
		if redis != "" {
			n.args = append(n.args, "--redis", redis)
		}
		n.args = append(n.args, more...)
		c.nodes = append(c.nodes, n)
		t.Cleanup(n.kill)
		n.start()
	}
	c.checkClocks()
	return c
}

func (n *node) start() {
	n.t.Helper()
	n.mu.Lock()
	n.process = exec.Command(program, n.args...)
	n.process.Env, n.process.Stderr = n.clock, os.Stderr
	n.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := n.process.Start()
	n.mu.Unlock()
	if err != nil {
		n.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !n.ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("the node %s is not ready after %v", n.address, patience)
		}
	}
}

// ready says whether a balancer would send clients there.
func (n *node) ready() bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	res, err := client.Get("http://" + n.address + "/readyz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// kill ends the node's process at once.
func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil {
		_ = n.process.Process.Kill()
		_ = n.process.Wait()
		n.process = nil
	}
}

// dial connects to the nodes in an order of chance, as a balancer does that asks the next one if one is gone.
func (c *cluster) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var dialer net.Dialer
	err := errors.New("there are no nodes")
	for _, i := range rand.Perm(len(c.nodes)) {
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, network, c.nodes[i].address); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// client makes requests each of which goes to any node.
func (c *cluster) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: c.dial, DisableKeepAlives: true}}
}

// only makes requests that go to one node, while it lives, and then to any.
func (c *cluster) only(n *node) *http.Client {
	first := func(ctx context.Context, network, address string) (net.Conn, error) {
		var dialer net.Dialer
		if conn, err := dialer.DialContext(ctx, network, n.address); err == nil {
			return conn, nil
		}
		return c.dial(ctx, network, address)
	}
	return &http.Client{Transport: &http.Transport{DialContext: first, DisableKeepAlives: true}}
}

// upset kills a node every so often, and starts it again a while later, until ctx ends; it returns how many.
func (c *cluster) upset(ctx context.Context, every time.Duration) (killed int) {
	for {
		select {
		case <-ctx.Done():
			return killed
		case <-time.After(every):
		}
		n := c.nodes[rand.IntN(len(c.nodes))]
		n.kill()
		killed++
		select {
		case <-ctx.Done():
		case <-time.After(every / 3):
		}
		n.start()
	}
}

func quiet() *slog.Logger {
	if os.Getenv("PARLEY_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}
