package relays

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/relay"
	"github.com/parley-rtc/parley/relay/credentials"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// served is a relay on a loopback port, over UDP and TCP, that can be stopped and started again.
type served struct {
	*testing.T
	address string // empty: not known yet
	server  *relay.Server
	done    chan error
}

func serve(t *testing.T) *served {
	t.Helper()
	s := &served{T: t, address: "127.0.0.1:0"}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *served) start() {
	s.Helper()
	server, err := relay.New(relay.Config{PublicIP: netip.MustParseAddr("127.0.0.1"), Keyring: keyring(s.T, "secret"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.Fatal(err)
	}
	for {
		conn, err := net.ListenPacket("udp4", s.address)
		if err != nil {
			s.Fatal(err)
		}
		l, err := net.Listen("tcp4", conn.LocalAddr().String())
		if err != nil {
			conn.Close()
			if s.address != "127.0.0.1:0" {
				s.Fatal(err)
			}
			continue // somebody has the port
		}
		s.address, s.server, s.done = conn.LocalAddr().String(), server, make(chan error, 2)
		go func() { s.done <- server.Serve(conn) }()
		go func() { s.done <- server.ServeTCP(l) }()
		return
	}
}

func (s *served) stop() {
	if s.server == nil {
		return
	}
	_ = s.server.Close()
	for range 2 {
		if err := <-s.done; !errors.Is(err, relay.ErrServerClosed) {
			s.Error(err)
		}
	}
	s.server = nil
}

func keyring(t *testing.T, secret string) *credentials.Keyring {
	t.Helper()
	k, err := credentials.New(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// watched is a set that is watched until the test ends.
type watched struct {
	*Set
	t   *testing.T
	log *lines

	stop func()

	mu      sync.Mutex
	changed [][]string // guarded by mu; the rooms of each change, of the first 100
}

func watch(t *testing.T, secret string, timeout time.Duration, urls ...string) *watched {
	t.Helper()
	servers, err := Parse(urls)
	if err != nil {
		t.Fatal(err)
	}
	ring := keyring(t, secret)
	w := &watched{t: t, log: &lines{}}
	w.Set, err = New(Config{
		Servers: servers,
		Credentials: func(ttl time.Duration) (string, string, error) {
			c, err := ring.Mint("check", time.Now(), ttl)
			return c.Username, c.Password, err
		},
		TTL: time.Hour, Every: 200 * time.Millisecond, Soon: 50 * time.Millisecond, Timeout: timeout,
		Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.stop = w.Watch(func(of func(string) bool) {
		var moved []string
		for i := range 100 {
			if of(room(i)) {
				moved = append(moved, room(i))
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changed = append(w.changed, moved)
	})
	t.Cleanup(w.stop)
	return w
}

func (w *watched) until(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("in vain waited until %s; status %+v\n%s", what, w.Status(), w.log)
		}
	}
}

// status adds up what is known of a relay.
func (w *watched) status(name string) (up bool, results map[string]uint64) {
	results = make(map[string]uint64)
	for _, s := range w.Status() {
		if s.Relay == name {
			up = s.Up
			for result, n := range s.Results {
				results[result] += n
			}
		}
	}
	return up, results
}

// handedOut is to how many of 100 rooms each URL is given.
func (w *watched) handedOut() map[string]int {
	counts := make(map[string]int)
	for i := range 100 {
		for _, urls := range w.URLs(room(i)) {
			counts[urls[0]]++
		}
	}
	return counts
}

func TestARelayThatIsDownIsLeftOutUntilItIsUp(t *testing.T) {
	a, b, c := serve(t), serve(t), serve(t)
	url := func(s *served) string { return "turn:" + s.address }
	w := watch(t, "secret", 10*time.Second, "a="+url(a), "b="+url(b), "c="+url(c))
	w.until("all are checked", func() bool {
		for _, name := range []string{"a", "b", "c"} {
			if _, results := w.status(name); results["ok"] < 2 {
				return false
			}
		}
		return true
	})
	before := w.handedOut()
	if len(before) != 3 || before[url(b)] == 0 {
		t.Fatalf("handed out are %v", before)
	}
	rank := make(map[string][]string)
	for i := range 100 {
		rank[room(i)] = slices.Concat(w.URLs(room(i))...)
	}

	b.stop()
	w.until("it is down", func() bool { up, _ := w.status("b"); return !up && w.handedOut()[url(b)] == 0 })
	for name, was := range rank {
		is := slices.Concat(w.URLs(name)...)
		if keeps := slices.DeleteFunc(slices.Clone(was), func(u string) bool { return u == url(b) }); len(is) != 2 || is[0] != keeps[0] {
			t.Errorf("%s had %v and has %v", name, was, is)
		}
	}
	w.until("the rooms are told", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.changed) == 1 })
	if moved := w.changed[0]; len(moved) != before[url(b)] {
		t.Errorf("%d rooms have other relays, want the %d that had it", len(moved), before[url(b)])
	}
	if _, results := w.status("b"); results["refused"] < Failures {
		t.Errorf("the checks ended %v, want some refused", results)
	}

	b.start()
	w.until("it is up", func() bool { up, _ := w.status("b"); return up && w.handedOut()[url(b)] == before[url(b)] })
	for name, was := range rank {
		if is := slices.Concat(w.URLs(name)...); !slices.Equal(was, is) {
			t.Errorf("%s had %v and has %v", name, was, is)
		}
	}
	if down, up := w.log.count(`msg="relay is down; clients are given others" relay=b`), w.log.count(`msg="relay is up again" relay=b`); down != 1 || up != 1 || w.log.count("\n") != 2 {
		t.Errorf("the log is\n%s", w.log)
	}
	w.stop()
	for _, s := range []*served{a, b, c} {
		stats := s.server.Stats()
		if made := stats.AllocationsTotal; stats.Allocations != 0 || made == 0 {
			t.Errorf("of %d allocations %d were not given back", made, stats.Allocations)
		}
	}
}

func TestWhenAllAreDownAllAreHandedOut(t *testing.T) {
	a, b := serve(t), serve(t)
	w := watch(t, "secret", 10*time.Second, "turn:"+a.address, "b=turn:"+b.address)
	name := "127.0.0.1" // not given
	before := w.handedOut()
	a.stop()
	w.until("the one is down", func() bool { up, _ := w.status(name); return !up })
	b.stop()
	w.until("both are down", func() bool { up, _ := w.status("b"); return !up })
	w.until("both are handed out", func() bool { return fmt.Sprint(w.handedOut()) == fmt.Sprint(before) })
	if got := w.log.count("level=ERROR"); got != 1 {
		t.Errorf("%d errors in the log, want 1:\n%s", got, w.log)
	}
	_, results := w.status("b")
	w.until("they are checked again and again", func() bool { _, later := w.status("b"); return later["refused"] > results["refused"]+2 })
	if got := w.log.count("\n"); got != 2 {
		t.Errorf("%d lines in the log, want one for each:\n%s", got, w.log)
	}
	a.start()
	w.until("only the one is handed out", func() bool { return w.handedOut()["turn:"+b.address] == 0 })
}

func TestAWrongSecretIsNamed(t *testing.T) {
	a, b := serve(t), serve(t)
	w := watch(t, "another secret", 10*time.Second, "a=turn:"+a.address, "b=turn:"+b.address+"?transport=tcp")
	for _, name := range []string{"a", "b"} {
		w.until("it is down", func() bool { up, results := w.status(name); return !up && results["unauthorized"] >= Failures })
	}
	w.until("the log says so", func() bool {
		return w.log.count("refused with 401") == 2 && w.log.count("the secret differs from the relay's") == 2
	})
	for _, s := range w.Status() {
		if s.Checks < Failures || s.Took <= 0 || s.Results["ok"] != 0 {
			t.Errorf("the status is %+v", s)
		}
	}
}

func TestARelayOfWhichOneURLHangs(t *testing.T) {
	hung, err := net.Listen("tcp4", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	a := serve(t)
	w := watch(t, "secret", 700*time.Millisecond, "a=turn:"+a.address+"?transport=tcp", "a=turn:"+hung.Addr().String()+"?transport=tcp", "b=turns:"+hung.Addr().String())
	w.until("what hangs is down", func() bool { up, results := w.status("b"); return !up && results["silent"] >= Failures })
	w.until("the URL is in the log", func() bool { return w.log.count(`msg="a URL of a relay fails, others of it work" relay=a`) == 1 })
	if up, results := w.status("a"); !up || results["ok"] == 0 || results["silent"] < Failures {
		t.Errorf("the relay of which one URL works is up: %v, %v", up, results)
	}
	if urls := w.URLs("room"); len(urls) != 1 || len(urls[0]) != 2 {
		t.Errorf("handed out is %v", urls)
	}
}

func TestServersThatDoOnlySTUN(t *testing.T) {
	a, b, c := serve(t), serve(t), serve(t)
	w := watch(t, "secret", 10*time.Second, "a=turn:"+a.address, "b=stun:"+b.address, "c=stun:"+c.address, "d=stun:127.0.0.1:1")
	if urls := w.URLs("room"); len(urls) != 3 || urls[0][0] != "turn:"+a.address {
		t.Errorf("handed out are %v, want the relay and two others", urls)
	}
	w.until("the one that is not there is down", func() bool { up, _ := w.status("d"); return !up })
	for i := range 100 {
		if urls := w.URLs(room(i)); len(urls) != 3 || fmt.Sprint(urls) == "[stun:127.0.0.1:1]" {
			t.Fatalf("handed out are %v", urls)
		}
	}
	if up, results := w.status("b"); !up || results["ok"] == 0 {
		t.Errorf("it is up: %v, %v", up, results)
	}
}

func TestStoppingDoesNotWaitForWhatHangs(t *testing.T) {
	hung, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	servers, err := Parse([]string{"turn:" + hung.LocalAddr().String()})
	if err != nil {
		t.Fatal(err)
	}
	var log lines
	set, err := New(Config{
		Servers: servers, Timeout: 10 * time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Credentials: func(time.Duration) (string, string, error) { return "user", "password", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := set.Watch(func(func(string) bool) { t.Error("something has changed") })
	asked := make([]byte, 100)
	if _, _, err := hung.ReadFrom(asked); err != nil { // the check is under way
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v", took)
	}
	if status := set.Status(); status[0].Checks != 0 || !status[0].Up || log.count("\n") != 0 {
		t.Errorf("a check that was broken off counts: %+v\n%s", status, &log)
	}
}

func TestASetNeedsServersAndCredentials(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("there is a set of nothing")
	}
	servers, err := Parse([]string{"turn:a.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Servers: servers}); err == nil {
		t.Error("TURN servers need no credentials")
	}
}
