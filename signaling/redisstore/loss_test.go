package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/signaling/store"
)

func TestWhatRedisForgotIsNoSession(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server.URL())
	alice := s.enter(t, "room", "alice", rules())
	wakes := alice.watched()
	server.Kill()
	server.Start()
	await(t, "a wake", func() bool { return wakes.Load() > 0 })
	if err := settled(t, alice.renew); !errors.Is(err, store.ErrNoSession) {
		t.Errorf("got error %v, want %v", err, store.ErrNoSession)
	}
	s.enter(t, "room", "alice", rules())
}

// A server that comes back may lack what it had acknowledged: its disk is always a little behind.
func TestSessionsOfAServerThatCameBackJoinAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	one := open(t, server.URL())
	alice, bob := one.enter(t, "room", "alice", rules()), one.enter(t, "room", "bob", rules())
	wakes := bob.watched()
	server.Kill()
	server.Start()
	await(t, "a wake", func() bool { return wakes.Load() > 0 })
	rejoins(t, settled(t, alice.renew))
	rejoins(t, settled(t, bob.renew))
	again := one.enter(t, "room", "alice", rules())
	if again.Epoch <= bob.Epoch {
		t.Errorf("epoch %d does not rise from %d", again.Epoch, bob.Epoch)
	}
	if got := presences(t, one, "room"); got != "alice:here " {
		t.Errorf("in the room are %s", got)
	}
	rejoins(t, bob.renew()) // also later
}

func TestAReplicaThatIsAddedLosesNothing(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	s := open(t, master.URL())
	alice, bob := s.enter(t, "room", "alice", rules()), s.enter(t, "room", "bob", rules())
	before := master.Do("INFO replication")
	replica := redistest.Start(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.Port))
	replica.Await("INFO replication", "master_link_status:up")
	if replicationOf(before) == replicationOf(master.Do("INFO replication")) {
		t.Fatal("the replication ID is the same, so that this shows nothing")
	}
	if _, err := alice.send(1, "bob", `"hi"`); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(bob.texts(0)); got != `["hi"]` {
		t.Errorf("bob has %s", got)
	}
}

func replicationOf(info string) string {
	_, id, _ := strings.Cut(info, "master_replid:")
	return id[:16]
}

func TestSessionsOfAMasterThatAReplicaTookOverFromJoinAgain(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	replica := redistest.Start(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.Port))
	replica.Await("INFO replication", "master_link_status:up")
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	config := fmt.Sprintf("sentinel monitor rooms 127.0.0.1 %d 1\nsentinel down-after-milliseconds rooms 700\nsentinel failover-timeout rooms 5000\n", master.Port)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := redistest.NewSentinel(t, file)
	sentinel.Await("INFO sentinel", "slaves=1")
	s := open(t, "redis+sentinel://"+sentinel.Address()+"/rooms")
	alice := s.enter(t, "room", "alice", rules())
	wakes := alice.watched()
	replica.Await("HLEN "+s.partitionOf("room").state("room"), ":4")
	master.Kill()
	rejoins(t, settled(t, alice.renew))
	await(t, "a wake", func() bool { return wakes.Load() > 0 })
	s.enter(t, "room", "alice", rules())
}

func slotOf(node *redistest.Server, key string) string {
	return strings.TrimPrefix(node.Do("CLUSTER KEYSLOT "+key), ":")
}

// owner returns the node of a cluster that has a key.
func ownerOf(t testing.TB, nodes []*redistest.Server, key string) *redistest.Server {
	t.Helper()
	for _, node := range nodes {
		if strings.Contains(node.Do("INFO replication"), "role:master") && !strings.HasPrefix(node.Do("EXISTS "+key), "-") {
			return node
		}
	}
	t.Fatal("no node has the key")
	return nil
}

func TestAClusterLosesTheSessionsOfAFailedMasterOnly(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t, 3, 1)
	var log lines
	s, err := Open(context.Background(), Config{URL: redistest.ClusterURL(nodes), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	guests := make(map[*redistest.Server]*guest)
	for i := 0; len(guests) < 3; i++ {
		room := fmt.Sprint("room", i)
		node := ownerOf(t, nodes, s.partitionOf(room).state(room))
		if guests[node] == nil {
			guests[node] = s.enter(t, room, "alice", rules())
		}
	}
	failed := ownerOf(t, nodes, s.partitionOf("room0").state("room0"))
	for i := range 40 { // more partitions whose server is asked for a sign of life
		s.enter(t, fmt.Sprint("more", i), "alice", rules()).watched()
	}
	replicated(t, failed)
	failed.Kill()
	for node, g := range guests {
		err := settled(t, g.renew)
		if node == failed {
			rejoins(t, err)
		} else if err != nil {
			t.Errorf("a session on another master: %v", err)
		}
	}
	await(t, "a word that all answer", func() bool { return log.count("Redis answers again") > 0 || log.count("does not answer") == 0 })
	if n := log.count("does not answer"); n > 1 {
		t.Errorf("the log says %d times that a server does not answer", n)
	}
}

// replicated waits until a master's replica has all that was written until now.
func replicated(t *testing.T, master *redistest.Server) {
	t.Helper()
	offset := func(field string) int {
		found := regexp.MustCompile(field + `(\d+)`).FindStringSubmatch(master.Do("INFO replication"))
		if found == nil {
			return -1
		}
		n, _ := strconv.Atoi(found[1]) // digits
		return n
	}
	written := offset("master_repl_offset:")
	for end := time.Now().Add(patience); offset(`slave0:.*,offset=`) < written; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the replica does not get as far as %d", written)
		}
	}
}

func TestASlotThatMovesTakesItsSessionsAlong(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t, 3, 0)
	s := open(t, redistest.ClusterURL(nodes))
	alice, bob := s.enter(t, "room", "alice", rules()), s.enter(t, "room", "bob", rules())
	wakes := bob.watched()
	tag := s.partitionOf("room").tag
	from, to := move(t, nodes, tag, "r:room", "l:room", "i")
	slot, toID := slotOf(from, tag), to.Do("CLUSTER MYID")
	for _, node := range []*redistest.Server{to, from, nodes[0], nodes[1], nodes[2]} {
		if got := node.Do("CLUSTER SETSLOT " + slot + " NODE " + toID); got != "+OK" {
			t.Fatalf("setslot: %s", got)
		}
	}
	await(t, "a wake by the new server", func() bool { return wakes.Load() > 0 })
	if err := settled(t, alice.renew); err != nil {
		t.Fatal(err)
	}
	seen := wakes.Load()
	if _, err := alice.send(1, "bob", `"hi"`); err != nil {
		t.Fatal(err)
	}
	await(t, "a wake by a signal", func() bool { return wakes.Load() > seen })
	if got := fmt.Sprint(bob.texts(0)); got != `["hi"]` {
		t.Errorf("bob has %s", got)
	}
}

// Nobody may be shown as away or end because nodes could not renew.
func TestNobodyIsSweptBeforeNodesCouldRenew(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := openAs(t, server.URL(), "grace")
	two := openAs(t, server.URL(), "grace")
	short := rules()
	short.Lease, short.Left = 4*time.Second, time.Second
	alice, bob := one.enter(t, "room", "alice", short), two.enter(t, "room", "bob", short)
	late := one.enter(t, "elsewhere", "late", short)
	for _, g := range []*guest{alice, bob, late} {
		g.watched()
	}
	server.Freeze()
	if _, err := two.Roster(context.Background(), "room"); err == nil { // it waits in the server until that goes on
		t.Fatal("a server that does nothing answered")
	}
	time.Sleep(cutTime + short.Lease)
	began := time.Now()
	if err := alice.renew(); err == nil || time.Since(began) > time.Second {
		t.Errorf("a step that cannot succeed took %v, error %v", time.Since(began), err)
	}
	server.Thaw()
	if err := settled(t, bob.renew); err != nil {
		t.Fatal(err)
	}
	if got := presences(t, two, "room"); got != "alice:here bob:here " {
		t.Errorf("after the interruption there are %s", got)
	}
	if err := settled(t, alice.renew); err != nil {
		t.Error(err)
	}
	await(t, "an end of who does not renew", func() bool { return presences(t, two, "elsewhere") == "" })
}
