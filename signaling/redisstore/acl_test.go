package redisstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/redistest"
)

// documented are the permissions that docs/operations.md gives a user of Redis, and one of its sentinels, for a deployment named test.
func documented(t *testing.T) (redis, sentinels string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("ACLs, `(~PREFIX:[^`]*)`; one of the sentinels, `([^`]*)`").FindSubmatch(text)
	if found == nil {
		t.Fatal("docs/operations.md has no line of permissions")
	}
	return strings.ReplaceAll(string(found[1]), "PREFIX", "test"), string(found[2])
}

// limit gives a server a user with these permissions and no others.
func limit(t *testing.T, server *redistest.Server, permissions string) {
	t.Helper()
	if got := server.Do("ACL SETUSER parley reset on >password " + permissions); got != "+OK" {
		t.Fatalf("%s: %s", permissions, got)
	}
}

// everything asks for all that a store does.
func everything(t *testing.T, s *Store) *guest {
	t.Helper()
	alice, bob := s.enter(t, "room", "alice", rules()), s.enter(t, "room", "bob", rules())
	wakes := bob.watched()
	if _, err := alice.send(1, "bob", `"hi"`); err != nil {
		t.Error(err)
	}
	await(t, "a wake", func() bool { return wakes.Load() > 0 })
	if got := fmt.Sprint(bob.texts(0)); got != `["hi"]` {
		t.Errorf("bob has %s", got)
	}
	if rooms, _, err := s.Rooms(context.Background(), ""); err != nil || fmt.Sprint(rooms) != "[room]" {
		t.Errorf("the rooms are %v, error %v", rooms, err)
	}
	if _, err := s.Share(context.Background(), "secret", []byte("1")); err != nil {
		t.Error(err)
	}
	if _, err := s.meet(); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Leave(context.Background(), bob.ref, false); err != nil {
		t.Error(err)
	}
	return alice
}

func TestTheDocumentedPermissionsAreEnough(t *testing.T) {
	t.Parallel()
	permissions, ofSentinels := documented(t)
	const as = "redis://parley:password@"

	t.Run("a server, and a database of it", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		limit(t, server, permissions)
		everything(t, openAs(t, as+server.Address()+"/2", "test"))
	})

	t.Run("behind sentinels", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		limit(t, server, permissions)
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		if err := os.WriteFile(file, fmt.Appendf(nil, "sentinel monitor rooms 127.0.0.1 %d 1\n", server.Port), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinel := redistest.NewSentinel(t, file)
		limit(t, sentinel, ofSentinels)
		address := strings.Replace(as, "redis:", "redis+sentinel:", 1) + sentinel.Address()
		everything(t, openAs(t, address+"/rooms", "test"))
		if _, err := Open(context.Background(), Config{URL: address + "/others"}); err == nil || !strings.Contains(err.Error(), "No such master with that name") {
			t.Errorf("with a master that the sentinels do not know: got error %v", err)
		}
	})

	t.Run("a cluster that moves a slot", func(t *testing.T) {
		t.Parallel()
		nodes := redistest.Cluster(t, 3, 0)
		for _, node := range nodes {
			limit(t, node, permissions)
		}
		s := openAs(t, strings.Replace(redistest.ClusterURL(nodes), "redis://", as, 1), "test")
		alice := everything(t, s)
		from, to := move(t, nodes, s.partitionOf("room").tag, "r:room", "l:room", "i")
		began := time.Now()
		stop, err := alice.Watch(context.Background(), "room", alice.Session, func() {})
		if err != nil {
			t.Fatalf("while it moves: %v", err)
		}
		stop()
		refusedWith(t, alice.renew(), "a slot of its cluster is being moved: TRYAGAIN")
		from.Do("ACL SETUSER parley -asking")
		to.Do("ACL SETUSER parley -asking")
		refusedWith(t, alice.renew(), "the user may not follow it (+asking)")
		if took := time.Since(began); took > stepTime {
			t.Logf("it took %v", took)
		}
		if s.Stats().Errors[reasonLoading] != 2 {
			t.Errorf("the counts are %+v", s.Stats())
		}
	})
}

// move moves keys with a tag to another server of a cluster, and leaves their slot being moved.
func move(t *testing.T, nodes []*redistest.Server, tag string, keys ...string) (from, to *redistest.Server) {
	t.Helper()
	from, to = ownerOf(t, nodes, tag+keys[0]), nodes[0]
	if from == to {
		to = nodes[1]
	}
	slot := slotOf(from, tag)
	to.Do("CLUSTER SETSLOT " + slot + " IMPORTING " + from.Do("CLUSTER MYID"))
	from.Do("CLUSTER SETSLOT " + slot + " MIGRATING " + to.Do("CLUSTER MYID"))
	for _, key := range keys {
		if got := from.Do("MIGRATE 127.0.0.1 " + strconv.Itoa(to.Port) + " " + tag + key + " 0 5000"); got != "+OK" {
			t.Fatalf("migrate: %s", got)
		}
	}
	return from, to
}
