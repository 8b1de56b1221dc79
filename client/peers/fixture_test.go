package peers

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/signaling"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patient is how long a test waits for what must come.
const patient = 40 * time.Second

func quiet() *slog.Logger {
	if os.Getenv("PARLEY_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// onLoopback has connections use nothing but the loopback interface.
func onLoopback(more ...func(*webrtc.SettingEngine)) *webrtc.API {
	s := NewSettingEngine(quiet())
	s.SetIncludeLoopbackCandidate(true)
	s.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetRelayAcceptanceMinWait(0)
	for _, m := range more {
		m(&s)
	}
	return NewAPI(s)
}

// service is a signaling server on a loopback port, which can be taken away and exchanged for another.
type service struct {
	*testing.T
	url string

	mu     sync.Mutex
	server *signaling.Server // guarded by mu; nil: away
	delay  atomic.Value      // of func()
}

func serve(t *testing.T, cfg signaling.Config) *service {
	t.Helper()
	s := &service{T: t}
	s.delay.Store(func() {})
	s.start(cfg)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.delay.Load().(func())()
		s.mu.Lock()
		server := s.server
		s.mu.Unlock()
		if server == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		server.ServeHTTP(w, r)
	}))
	s.url = front.URL
	t.Cleanup(func() {
		s.kill()
		front.CloseClientConnections()
		front.Close()
	})
	return s
}

func (s *service) start(cfg signaling.Config) {
	s.Helper()
	cfg.Logger = quiet()
	server, err := signaling.New(cfg)
	if err != nil {
		s.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = server
}

// kill ends the server at once; what it knew is lost.
func (s *service) kill() {
	s.mu.Lock()
	server := s.server
	s.server = nil
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

// member is a room of a test.
type member struct {
	*Room
	t *testing.T

	mu     sync.Mutex
	seen   []Event       // guarded by mu
	change chan struct{} // guarded by mu; closed when more is seen
}

// join joins the room "lobby"; the room is closed with the test.
func (s *service) join(name string, cfg Config) *member {
	s.Helper()
	cfg.Client.Peer, cfg.Client.Name, cfg.Client.Logger = name, name, quiet()
	if cfg.Channels == nil {
		cfg.Channels = map[string]ChannelOptions{"chat": {}}
	}
	if cfg.API == nil {
		cfg.API = onLoopback()
	}
	ctx, cancel := context.WithTimeout(s.Context(), patient)
	defer cancel()
	room, err := Join(ctx, s.url, "lobby", cfg)
	if err != nil {
		s.Fatal(err)
	}
	m := &member{Room: room, t: s.T, change: make(chan struct{})}
	s.Cleanup(room.Close)
	go func() {
		for e := range room.Events() {
			m.mu.Lock()
			m.seen = append(m.seen, e)
			close(m.change)
			m.change = make(chan struct{})
			m.mu.Unlock()
		}
	}()
	return m
}

// until waits until something holds; it is asked after each event, and now and then.
func (m *member) until(what string, holds func() bool) {
	m.t.Helper()
	timeout := time.After(patient)
	for {
		m.mu.Lock()
		change := m.change
		m.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-change:
		case <-time.After(50 * time.Millisecond):
		case <-timeout:
			m.t.Fatalf("%s waited in vain until %s; peers: %v; seen: %v", m.ID(), what, m.states(), m.log())
		}
	}
}

func (m *member) states() string {
	text := ""
	for _, p := range m.Peers() {
		text += fmt.Sprintf("%s %s %s %+v; ", p.ID(), p.State(), p.Presence(), p.Path())
	}
	return text
}

func (m *member) log() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := ""
	for _, e := range m.seen {
		text += fmt.Sprintf("%T%v ", e, e)
	}
	return text
}

// saw says whether an event came for which is holds.
func saw[E Event](m *member, is func(E) bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.seen {
		if e, ok := e.(E); ok && is(e) {
			return true
		}
	}
	return false
}

// peer waits for a peer that is connected.
func (m *member) peer(id string) *Peer {
	m.t.Helper()
	m.until(id+" is connected", func() bool { p := m.Peer(id); return p != nil && p.State() == Connected })
	return m.Peer(id)
}

// open waits for a channel to a peer.
func (m *member) open(id, name string) *Channel {
	m.t.Helper()
	ctx, cancel := m.soon()
	defer cancel()
	p := m.peer(id)
	c, err := p.Open(ctx, name)
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

func (m *member) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(m.t.Context(), patient)
}

func (m *member) write(c *Channel, message []byte) {
	m.t.Helper()
	ctx, cancel := m.soon()
	defer cancel()
	if err := c.WriteMessage(ctx, message); err != nil {
		m.t.Fatalf("%s writes %d bytes: %v", m.ID(), len(message), err)
	}
}

// read reads.
func (m *member) read(c *Channel) []byte {
	m.t.Helper()
	ctx, cancel := m.soon()
	defer cancel()
	message, err := c.ReadMessage(ctx)
	if err != nil {
		m.t.Fatalf("%s reads: %v", m.ID(), err)
	}
	return message
}

// talk sends a message each way.
func talk(a, b *member, ac, bc *Channel) {
	a.t.Helper()
	a.write(ac, []byte("from "+a.ID()))
	if got := string(b.read(bc)); got != "from "+a.ID() {
		a.t.Fatalf("%s got %q", b.ID(), got)
	}
	b.write(bc, []byte("from "+b.ID()))
	if got := string(a.read(ac)); got != "from "+b.ID() {
		a.t.Fatalf("%s got %q", a.ID(), got)
	}
}
