package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/relay/credentials"
)

func TestRedisFlagsThatCannotBeMeant(t *testing.T) {
	for args, want := range map[string]string{
		"--redis localhost:6379":                      "--redis: it is not a URL like redis://host:6379",
		"--redis http://:hidden@localhost":            `--redis: its scheme is "http"`,
		"--redis redis://:hidden@localhost:x":         "--redis: the port",
		"--redis redis://localhost --redis-prefix a{": "--redis-prefix: the prefix",
		"--redis-prefix other":                        "--redis-prefix needs --redis",
	} {
		err := run(t.Context(), strings.Fields(args), func(string) string { return "" }, io.Discard)
		if _, is := errors.AsType[*daemon.UsageError](err); !is || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got error %v, want a usage error that says %q", args, err, want)
		}
	}
}

func TestARedisThatIsNotThere(t *testing.T) {
	env := map[string]string{"PARLEY_REDIS": "redis://:hidden@127.0.0.1:1"}
	err := run(t.Context(), []string{"--listen", "127.0.0.1:0", "--no-relay"}, func(name string) string { return env[name] }, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "--redis: cannot connect to Redis at [127.0.0.1:1]") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got error %v", err)
	}
}

func TestARedisThatCannotKeepRooms(t *testing.T) {
	evicts, full := redistest.Start(t, "--maxmemory-policy", "allkeys-lfu"), redistest.Start(t, "--maxmemory", "1")
	for url, want := range map[string]string{
		evicts.URL(): "--redis: this Redis, at " + evicts.Address() + ", cannot keep rooms: its maxmemory-policy is allkeys-lfu",
		full.URL():   "--redis: redisstore: share turn-secret: its memory is full: raise its maxmemory",
	} {
		err := run(t.Context(), []string{"--listen", "127.0.0.1:0", "--no-relay", "--redis", url}, func(string) string { return "" }, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that says %s", err, want)
		}
	}
}

// Metrics say when Redis is gone; /readyz stays green, or the balancer would lose all nodes at once.
func TestMetricsSayWhetherRedisAnswers(t *testing.T) {
	server := redistest.Start(t)
	p := start(t, nil, "--admin-listen", ":0", "--no-relay", "--redis", server.URL())
	admin := p.adminURL(t)
	await := func(want string) {
		t.Helper()
		var text string
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if _, text = get(t, admin+"/metrics"); strings.Contains(text, want+"\n") {
				return
			}
		}
		t.Fatalf("metrics do not have %s:\n%s", want, text)
	}
	join(t, p.url, "lobby")
	await("parley_redis_up 1")
	await("parley_redis_step_seconds_count 1")
	server.Freeze()
	await("parley_redis_up 0")
	if status, text := get(t, p.url+"/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, text)
	}
	status, text := request(t, http.MethodPost, p.url+"/v1/rooms/lobby/sessions", "", `{"attempt":"q83vEiM0RVZneImaq7zN3g","instance":"i"}`)
	if status != http.StatusServiceUnavailable || !strings.Contains(text, "unavailable") {
		t.Errorf("a join: %d %s", status, text)
	}
	await(`parley_redis_errors_total{reason="silent"} 1`)
	server.Thaw()
	await("parley_redis_up 1")
}

// What one node signs, the others know, whoever made the secret, and also after Redis lost it.
func TestNodesShareTheSecretThatOneOfThemMade(t *testing.T) {
	server := redistest.Start(t)
	node := func() *secrets {
		t.Helper()
		f, err := parseFlags([]string{"--redis", server.URL()}, func(string) string { return "" }, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		rooms, err := f.openRooms(t.Context(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = rooms.Close() })
		s, err := newSecrets(f, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.shareIn(t.Context(), f, rooms); err != nil {
			t.Fatal(err)
		}
		return s
	}
	knows := func(what string, by, of *secrets) {
		t.Helper()
		if err := verify(by, mint(t, of)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	one, two := node(), node()
	knows("two of one", two, one)
	knows("one of two", one, two)

	old := mint(t, two)
	server.Kill()
	server.Start()
	three := node() // before the others noticed: it makes another
	for _, s := range []*secrets{one, two} {
		var changed bool
		for deadline := time.Now().Add(30 * time.Second); !changed && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			changed, _ = s.share(context.Background())
		}
		if err := s.reload(relayService{}); err != nil {
			t.Fatal(err)
		}
	}
	knows("three of one", three, one)
	knows("two of three", two, three)
	if err := verify(one, old); err != nil {
		t.Errorf("what was signed before: %v", err)
	}

	f, err := parseFlags([]string{"--redis", server.URL(), "--turn-secret", "given"}, func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	given, err := newSecrets(f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := given.shareIn(t.Context(), f, nil); err != nil || given.shared != nil {
		t.Errorf("a secret that was given is shared, error %v", err)
	}
}

func verify(s *secrets, credential credentials.Credential) error {
	return s.keyring.Load().Verify(credential.Username, credential.Password, time.Now())
}

func mint(t *testing.T, s *secrets) credentials.Credential {
	t.Helper()
	credential, err := s.keyring.Load().Mint("user", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return credential
}
