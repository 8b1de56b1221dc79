package relays

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parley-rtc/parley/internal/probe"
)

// member is a server of a pool.
type member struct {
	Server
	up atomic.Bool

	mu       sync.Mutex
	failures int     // guarded by mu; in a row
	paths    []*path // guarded by mu, what they point to; as checked says
}

// path is one URL of a server and what its checks found.
type path struct {
	place    int    // of the URL
	failures int    // in a row
	told     bool   // the log has it as failing
	cause    string // of the last of these
	results  map[string]uint64
	checks   uint64
	took     time.Duration // all checks together
}

func newMember(s Server) *member {
	m := &member{Server: s}
	m.up.Store(true)
	for _, place := range s.checked() {
		m.paths = append(m.paths, &path{place: place, results: make(map[string]uint64)})
	}
	return m
}

// check tries all URLs of a server, and says whether one of them works.
func (s *Set) check(ctx context.Context, m *member) bool {
	var tries sync.WaitGroup
	var works atomic.Bool
	for _, p := range m.paths {
		tries.Go(func() {
			began := time.Now()
			failed := s.reach(ctx, m, p.place)
			took := time.Since(began)
			if ctx.Err() != nil {
				return
			}
			if failed == nil {
				works.Store(true)
			}
			m.note(p, failed, took)
		})
	}
	tries.Wait()
	if ctx.Err() == nil {
		s.tell(m, works.Load())
	}
	return works.Load()
}

// reach makes an allocation over a URL and gives it back.
func (s *Set) reach(ctx context.Context, m *member, place int) *probe.Step {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return probe.Reach(ctx, probe.Target{URI: m.parts[place], Credentials: s.cfg.Credentials, TTL: s.cfg.TTL, Minted: true, Timeout: s.cfg.Timeout})
}

func (m *member) note(p *path, failed *probe.Step, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.checks++
	p.took += took
	p.results[resultOf(failed)]++
	if failed == nil {
		p.failures, p.cause = 0, ""
		return
	}
	p.failures++
	p.cause = fmt.Sprintf("%s: %s: %v (likely: %s)", m.URLs[p.place], failed.Name, failed.Err, failed.Cure)
}

// judge takes note of a check, and says whether the server is up now, and was not, or the other way round.
func (m *member) judge(ok bool) (up, changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ok {
		m.failures = 0
	} else {
		m.failures++
	}
	was := m.up.Load()
	up = ok || was && m.failures < Failures
	return up, up != was
}

// causes are why the URLs failed.
func (m *member) causes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var causes []string
	for _, p := range m.paths {
		if p.cause != "" {
			causes = append(causes, p.cause)
		}
	}
	return causes
}

// tell logs a URL that fails while others of the server work, and that it works again. It is handed out all the same: this host may be
// the only one that it is closed to.
func (s *Set) tell(m *member, works bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.paths {
		log := s.cfg.Logger.With("relay", m.Name)
		switch {
		case works && p.failures >= Failures && !p.told:
			p.told = true
			log.Warn("a URL of a relay fails, others of it work", "cause", p.cause)
		case p.failures == 0 && p.told:
			p.told = false
			log.Info("a URL of a relay works again", "url", m.URLs[p.place])
		}
	}
}

// resultOf is how a check ended, for the metrics: from a fixed list.
func resultOf(failed *probe.Step) string {
	switch {
	case failed == nil:
		return "ok"
	case errors.Is(failed.Err, probe.ErrSilent), isTimeout(failed.Err):
		return "silent"
	case errors.Is(failed.Err, syscall.ECONNREFUSED):
		return "refused"
	case probe.CodeOf(failed.Err) == 401:
		return "unauthorized"
	case probe.CodeOf(failed.Err) == 486, probe.CodeOf(failed.Err) == 508:
		return "full"
	case probe.CodeOf(failed.Err) == 300:
		return "draining"
	}
	switch failed.Name {
	case "resolve":
		return "resolve"
	case "TCP connect", "UDP socket":
		return "connect"
	case "TLS handshake", "DTLS handshake":
		return "tls"
	}
	return "other"
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err) // context.DeadlineExceeded is one, too
	return ok && timeout.Timeout()
}

// Status is what is known of one URL of a server.
type Status struct {
	Relay, URL string
	Up         bool              // the server is
	Results    map[string]uint64 // checks by how they ended: ok, silent, refused, unauthorized, full, draining, resolve, connect, tls, other
	Checks     uint64
	Took       time.Duration // all checks together
}

// Status returns what is known of the URLs that are checked.
func (s *Set) Status() []Status {
	var all []Status
	for _, p := range []*pool{s.relays, s.stun} {
		for _, name := range p.names(false) {
			m := p.members[name]
			m.mu.Lock()
			for _, p := range m.paths {
				all = append(all, Status{Relay: name, URL: m.URLs[p.place], Up: m.up.Load(), Results: maps.Clone(p.results), Checks: p.checks, Took: p.took})
			}
			m.mu.Unlock()
		}
	}
	return all
}
