package client

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/signaling"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for what must come.
const patience = 8 * time.Second

// brisk is a pace for tests.
var brisk = pace{retry: 20 * time.Millisecond, retryMax: 100 * time.Millisecond, life: 100 * time.Millisecond, eventsAfter: 100 * time.Millisecond}

// service is a signaling server on a loopback port, which can be exchanged for another.
type service struct {
	*testing.T
	url     string
	handler atomic.Value // of func(http.ResponseWriter, *http.Request)
	server  *signaling.Server
}

// serve starts a server that ends with the test. Wrap, if given, is the middleware around it.
func serve(t *testing.T, cfg signaling.Config, wrap ...func(http.Handler) http.Handler) *service {
	t.Helper()
	s := &service{T: t}
	s.start(cfg, wrap...)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handler.Load().(func(http.ResponseWriter, *http.Request))(w, r)
	}))
	s.url = front.URL
	t.Cleanup(func() {
		_ = s.server.Close()
		front.CloseClientConnections()
		front.Close()
	})
	return s
}

// start puts a new server in the place of the one before, whose rooms are lost.
func (s *service) start(cfg signaling.Config, wrap ...func(http.Handler) http.Handler) {
	s.Helper()
	cfg.Logger = quiet()
	server, err := signaling.New(cfg)
	if err != nil {
		s.Fatal(err)
	}
	var handler http.Handler = server
	for _, w := range wrap {
		handler = w(handler)
	}
	s.handler.Store(handler.ServeHTTP)
	if s.server != nil {
		_ = s.server.Close()
	}
	s.server = server
}

func quiet() *slog.Logger {
	if os.Getenv("PARLEY_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// member is a session whose events are kept as they come.
type member struct {
	*Session
	t    *testing.T
	seen []Event
}

// join joins at url; the session is closed with the test.
func join(t *testing.T, url string, opts Options) *member {
	t.Helper()
	if opts.pace == (pace{}) {
		opts.pace = brisk
	}
	opts.Logger = quiet()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Join(ctx, url, "lobby", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &member{Session: s, t: t}
}

// await reads events until one is what the test waits for.
func await[E Event](m *member, is func(E) bool) E {
	m.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e, open := <-m.Events():
			if !open {
				m.t.Fatalf("%s: the events ended; seen: %v", m.ID(), m.seen)
			}
			m.seen = append(m.seen, e)
			if wanted, ok := e.(E); ok && (is == nil || is(wanted)) {
				return wanted
			}
		case <-timeout:
			var none E
			m.t.Fatalf("%s: no %T came; link %v; seen: %v", m.ID(), none, m.Link(), m.seen)
		}
	}
}

func (m *member) awaitLink(kind Link) {
	m.t.Helper()
	await(m, func(l LinkChanged) bool { return l.Link == kind })
}

// number reads a signal's data.
func (m *member) number(s Signal) int {
	m.t.Helper()
	var n int
	if err := json.Unmarshal(s.Data, &n); err != nil {
		m.t.Fatalf("data %s: %v", s.Data, err)
	}
	return n
}

func (m *member) send(to string, data any) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	if err := m.Send(ctx, to, 0, data); err != nil {
		m.t.Fatal(err)
	}
}

// scissors is a TCP proxy that cuts every connection after a random number of bytes.
type scissors struct {
	listener net.Listener
	to       string
	work     sync.WaitGroup

	mu    sync.Mutex
	open  map[net.Conn]bool // guarded by mu
	dice  *rand.Rand        // guarded by mu
	sharp atomic.Bool       // it cuts
	deaf  atomic.Bool       // it swallows what comes, on every connection
	cuts  atomic.Int64
}

func cutting(t *testing.T, to string, seed uint64) *scissors {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scissors{listener: l, to: to, open: map[net.Conn]bool{}, dice: rand.New(rand.NewPCG(seed, seed))}
	s.sharp.Store(true)
	s.work.Go(s.accept)
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for c := range s.open {
			c.Close()
		}
		s.mu.Unlock()
		s.work.Wait()
	})
	return s
}

func (s *scissors) url() string { return "http://" + s.listener.Addr().String() }

func (s *scissors) connections() map[net.Conn]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.open)
}

func (s *scissors) accept() {
	for {
		in, err := s.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", s.to)
		if err != nil {
			in.Close()
			continue
		}
		s.mu.Lock()
		s.open[in], s.open[out] = true, true
		budget := int64(1500 + s.dice.IntN(12000))
		budget += 1000 * s.cuts.Load() // so that the answer of a poll fits at last
		s.mu.Unlock()
		var left atomic.Int64
		left.Store(budget)
		end := func() {
			in.Close()
			out.Close()
			s.mu.Lock()
			delete(s.open, in)
			delete(s.open, out)
			s.mu.Unlock()
		}
		s.work.Go(func() { s.copy(in, out, &left); end() })
		s.work.Go(func() { s.copy(out, in, &left); end() })
	}
}

func (s *scissors) copy(to, from net.Conn, left *atomic.Int64) {
	buf := make([]byte, 512)
	for {
		n, err := from.Read(buf)
		if s.sharp.Load() && left.Add(-int64(n)) < 0 {
			s.cuts.Add(1)
			return
		}
		if s.deaf.Load() {
			n = 0
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// refuse answers 403 to a part of the protocol while on is set.
func refuse(part string, on *atomic.Bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if on.Load() && len(r.URL.Path) > len(part) && r.URL.Path[len(r.URL.Path)-len(part):] == part {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "<h1>Forbidden by the proxy</h1>")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
