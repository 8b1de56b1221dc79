package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/signaling/store"
)

// A step that Redis refuses changes nothing, and is told by Redis's own words.
func refusedWith(t testing.TB, err error, want string) {
	t.Helper()
	var ended *store.EndedError
	if err == nil || errors.As(err, &ended) || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one that says %s", err, want)
	}
}

func TestAServerWhoseMemoryIsFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server.URL())
	alice, bob := s.enter(t, "room", "alice", rules()), s.enter(t, "room", "bob", rules())
	if _, err := alice.send(1, "bob", `"before"`); err != nil {
		t.Fatal(err)
	}
	server.Do("CONFIG SET maxmemory 1")
	_, err := alice.send(2, "bob", `"while"`)
	refusedWith(t, err, "its memory is full: raise its maxmemory: OOM")
	_, err = s.Join(context.Background(), "another", request("carol", rules()))
	refusedWith(t, err, "OOM")
	if got := fmt.Sprint(bob.texts(0)); got != `["before"]` {
		t.Errorf("bob has %s", got)
	}
	if _, err := bob.Exchange(context.Background(), bob.ref, store.Exchange{Ack: 1}); err != nil {
		t.Errorf("an acknowledgement, which frees memory: %v", err)
	}
	s.pulses.resumed.Store(int64(clock())) // as after an interruption, of which the step is to tell
	if _, err := bob.Exchange(context.Background(), bob.ref, store.Exchange{Ack: 1}); err != nil {
		t.Errorf("an acknowledgement after an interruption: %v", err)
	}
	if secret, err := openAs(t, server.URL(), "full").Share(context.Background(), "secret", nil); err == nil || !strings.Contains(err.Error(), "its memory is full") {
		t.Errorf("shared is %q, error %v", secret, err)
	}
	if got := s.Stats(); !got.Up || got.Errors[reasonFull] != 2 {
		t.Errorf("the counts are %+v", got)
	}
	server.Do("CONFIG SET maxmemory 0")
	if _, err := alice.send(2, "bob", `"while"`); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(bob.texts(1)); got != `["while"]` {
		t.Errorf("afterwards bob has %s", got)
	}
}

func TestAServerThatBecomesAReplica(t *testing.T) {
	t.Parallel()
	server, master := redistest.Start(t), redistest.Start(t)
	s := open(t, server.URL())
	alice := s.enter(t, "room", "alice", rules())
	server.Do("REPLICAOF 127.0.0.1 " + strconv.Itoa(master.Port))
	_, err := alice.send(1, "nobody", "1")
	if err == nil {
		t.Error("a replica takes writes")
	}
	if errors.Is(err, store.ErrNoSession) {
		return // it has the master's data already
	}
	refusedWith(t, err, "it is a replica, which takes no writes: READONLY")
}

// What a server that takes no writes has can still be read, and a node be started.
func TestAServerThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openAs(t, server.URL(), "deployment")
	alice, bob := s.enter(t, "room", "alice", rules()), s.enter(t, "room", "bob", rules())
	if _, err := alice.send(1, "bob", `"before"`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Share(context.Background(), "secret", []byte("1")); err != nil {
		t.Fatal(err)
	}
	server.Do("CONFIG SET min-replicas-to-write 1")
	_, err := alice.send(2, "bob", `"while"`)
	refusedWith(t, err, "it takes no writes while it has fewer replicas than its min-replicas-to-write: NOREPLICAS")
	if got := fmt.Sprint(bob.at(openAs(t, server.URL(), "deployment")).texts(0)); got != `["before"]` {
		t.Errorf("bob has %s", got)
	}
	if secret, err := openAs(t, server.URL(), "deployment").Share(context.Background(), "secret", []byte("2")); err != nil || string(secret) != "1" {
		t.Errorf("shared is %q, error %v", secret, err)
	}
	server.Do("CONFIG SET min-replicas-to-write 0")
	if _, err := alice.send(2, "bob", `"while"`); err != nil {
		t.Error(err)
	}
}

func TestAServerThatBecomesUnfitIsLogged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server.URL())
	var lines lines
	s.log = slog.New(slog.NewTextHandler(&lines, nil))
	s.work.Go(func() { s.look(10 * time.Millisecond) })
	server.Do("CONFIG SET maxmemory-policy volatile-lru")
	await(t, "a line", func() bool { return lines.count("Redis has become unfit") > 0 })
	if lines.count("CONFIG SET maxmemory-policy noeviction") != 1 {
		t.Errorf("the log does not say what to do: %s", lines.text())
	}
	server.Do("CONFIG SET maxmemory-policy noeviction")
	await(t, "a line", func() bool { return lines.count("Redis is fit again") == 1 })
	if n := lines.count("unfit"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
}

// lines are those of a log.
type lines struct {
	mu    sync.Mutex
	lines strings.Builder // guarded by mu
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

func (l *lines) count(text string) int { return strings.Count(l.text(), text) }

// Redis closes a connection that listens if more waits on it than its limit: 32 MB by default, which a burst of replies may exceed.
func TestRepliesAreNotBoundAsMessagesAre(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do(`CONFIG SET client-output-buffer-limit "pubsub 100000 100000 0"`)
	s := open(t, server.URL())
	large := rules()
	large.Rate, large.MailboxFrames, large.MailboxBytes = 0, 64, 4<<20
	alice, bob := s.enter(t, "room", "alice", large), s.enter(t, "room", "bob", large)
	wakes := bob.watched()
	for n := range int64(4) {
		if _, err := alice.send(n+1, "bob", `"`+strings.Repeat("x", 60<<10)+`"`); err != nil {
			t.Fatal(err)
		}
	}
	for range 8 {
		result, err := bob.Exchange(context.Background(), bob.ref, store.Exchange{Max: 256 << 10, Fence: bob.fence})
		if err != nil || len(result.Frames) != 4 {
			t.Fatalf("got %d frames, error %v", len(result.Frames), err)
		}
	}
	await(t, "wakes", func() bool { return wakes.Load() > 0 })
}

func TestAServerThatIsSlow(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server.URL())
	alice, bob := s.enter(t, "room", "alice", rules()), s.enter(t, "room", "bob", rules())
	server.Do("CLIENT PAUSE 1000 ALL")
	if _, err := alice.send(1, "bob", `"slow"`); err != nil {
		t.Errorf("within a step's time: %v", err)
	}
	server.Do("CLIENT PAUSE 2700 ALL")
	began := time.Now()
	_, err := alice.send(2, "bob", `"slower"`)
	if err == nil || time.Since(began) > stepTime+time.Second || s.Stats().Errors[reasonTimeout] == 0 {
		t.Errorf("beyond a step's time: %v after %v", err, time.Since(began))
	}
	// What became of it is not known; it is sent again.
	if err := settled(t, func() error { _, err := alice.send(2, "bob", `"slower"`); return err }); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(bob.texts(0)); got != `["slow" "slower"]` {
		t.Errorf("bob has %s", got)
	}
}

func TestKeysOfAnotherApplication(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server.URL())
	key := s.partitionOf("room").state("room")
	server.Do("SET " + key + " theirs")
	server.Do("SET parley theirs")
	_, err := s.Join(context.Background(), "room", request("alice", rules()))
	refusedWith(t, err, "choose another prefix: WRONGTYPE")
	s.enter(t, "another", "alice", rules())
	if got := server.Do("GET " + key); got != "theirs" {
		t.Errorf("their key holds %q", got)
	}
}

func TestTwoDeploymentsOnOneRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, two := openAs(t, server.URL(), "one"), openAs(t, server.URL(), "two")
	alice, bob := one.enter(t, "room", "peer", rules()), two.enter(t, "room", "peer", rules())
	wakes := bob.watched()
	if len(bob.Peers) != 0 {
		t.Errorf("the other deployment's peers are shown: %v", bob.Peers)
	}
	if _, err := one.Post(context.Background(), "room", "key", "", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := alice.at(two).renew(); !errors.Is(err, store.ErrNoSession) {
		t.Errorf("at the other deployment: %v", err)
	}
	if wakes.Load() != 0 {
		t.Error("one deployment wakes the other's sessions")
	}
	first, err := one.Share(context.Background(), "secret", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := two.Share(context.Background(), "secret", []byte("2"))
	if err != nil || string(first) != "1" || string(second) != "2" {
		t.Errorf("shared are %s and %s, error %v", first, second, err)
	}
	again, err := openAs(t, server.URL(), "one").Share(context.Background(), "secret", []byte("3"))
	if err != nil || string(again) != "1" {
		t.Errorf("another node is told %s, error %v", again, err)
	}
	for key := range strings.FieldsSeq(server.Do("EVAL \"return table.concat(redis.call('KEYS', '*'), ' ')\" 0")) {
		if !strings.HasPrefix(key, "one:1:") && !strings.HasPrefix(key, "two:1:") {
			t.Errorf("the key %s has no prefix and version", key)
		}
	}
}

// Databases of one server share its channels: a wake too many does no harm.
func TestTwoDeploymentsInTwoDatabases(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, two := openAs(t, server.URL()+"/1", "same"), openAs(t, server.URL()+"/2", "same")
	alice, bob := one.enter(t, "room", "peer", rules()), two.enter(t, "room", "peer", rules())
	if len(bob.Peers) != 0 {
		t.Errorf("the other deployment's peers are shown: %v", bob.Peers)
	}
	bob.watched()
	wakes := alice.watched()
	if _, err := one.Post(context.Background(), "room", "key", "", []byte("1")); err != nil {
		t.Fatal(err)
	}
	await(t, "a wake", func() bool { return wakes.Load() > 0 })
	if got := fmt.Sprint(alice.texts(0), bob.texts(0)); got != "[1] []" {
		t.Errorf("alice and bob have %s", got)
	}
	if err := alice.at(two).renew(); !errors.Is(err, store.ErrNoSession) {
		t.Errorf("at the other deployment: %v", err)
	}
}

// Two nodes serve one room, whatever their clocks say: no step is told a time of theirs.
func TestTwoNodesServeOneRoom(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, two := openAs(t, server.URL(), "nodes"), openAs(t, server.URL(), "nodes")
	alice, bob := one.enter(t, "room", "alice", rules()), two.enter(t, "room", "bob", rules())
	wakes := bob.watched()
	for n := range int64(100) {
		sender := alice
		if n%2 == 1 {
			sender = alice.at(two)
		}
		if _, err := sender.send(n+1, "bob", fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.at(one).Exchange(context.Background(), bob.ref, store.Exchange{Ack: n + 1}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "wakes", func() bool { return wakes.Load() > 0 })
	if result, err := alice.at(two).send(101, "bob", "1"); err != nil || result.Received != 101 {
		t.Errorf("received %d, error %v", result.Received, err)
	}
}
