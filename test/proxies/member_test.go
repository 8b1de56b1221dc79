package proxies

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// member is a session whose events are read as they come.
type member struct {
	*client.Session
	t    *testing.T
	done chan struct{} // closed when the events have ended

	mu    sync.Mutex
	heard int           // signals, numbered 0, 1, 2 …: guarded by mu, as is all below
	fault error         // the first one
	links []client.Link // in use, one after the other
	since time.Time     // when the last of them came
	tale  []string      // what happened when, but for the signals
}

// join joins a room; the session ends with the test.
func join(t *testing.T, url, room string, opts client.Options) *member {
	t.Helper()
	opts.Logger = quiet()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := client.Join(ctx, url, room, opts)
	if err != nil {
		t.Fatal(err)
	}
	m := &member{Session: s, t: t, done: make(chan struct{})}
	go m.read(time.Now())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Leave(ctx) // a proxy may have its backends down just now
		<-m.done
	})
	return m
}

func (m *member) read(began time.Time) {
	defer close(m.done)
	for event := range m.Events() {
		m.mu.Lock()
		if _, is := event.(client.Signal); !is {
			m.tale = append(m.tale, fmt.Sprintf("%5.1f s %T%+v", time.Since(began).Seconds(), event, event))
		}
		switch e := event.(type) {
		case client.Signal:
			var text string
			if want := fmt.Sprint(m.heard, " "); m.fault == nil && (json.Unmarshal(e.Data, &text) != nil || !strings.HasPrefix(text, want)) {
				m.fault = fmt.Errorf("signal %.20s came, want %s", e.Data, want)
			}
			m.heard++
		case client.LinkChanged:
			m.links, m.since = append(m.links, e.Link), time.Now()
		case client.Refused, client.Rejoined, client.Ended:
			if m.fault == nil {
				m.fault = fmt.Errorf("%T %+v came", e, e)
			}
		}
		m.mu.Unlock()
	}
}

// await waits until the member is as the test wants it. What is asked is called with mu held.
func (m *member) await(what string, is func() bool) {
	m.t.Helper()
	deadline := time.Now().Add(patience)
	for heard := 0; ; time.Sleep(5 * time.Millisecond) {
		m.mu.Lock()
		if m.heard > heard {
			heard, deadline = m.heard, time.Now().Add(patience)
		}
		done, fault, tale := is(), m.fault, strings.Join(m.tale, "\n")
		m.mu.Unlock()
		switch {
		case fault != nil:
			m.t.Fatalf("%s: %v\n%s", m.ID(), fault, tale)
		case done:
			return
		case time.Now().After(deadline):
			m.t.Fatalf("%s: not so in time: %s; %d signals came; link %v\n%s", m.ID(), what, heard, m.Link(), tale)
		}
	}
}

// hear waits until so many signals have come, in order.
func (m *member) hear(count int) {
	m.t.Helper()
	m.await(fmt.Sprintf("%d signals come", count), func() bool { return m.heard >= count })
}

// settle waits until a kind of link has been in use for a while without a break.
func (m *member) settle(kind client.Link, steady time.Duration) {
	m.t.Helper()
	m.await(fmt.Sprintf("%v is in use for %v", kind, steady), func() bool {
		return len(m.links) > 0 && m.links[len(m.links)-1] == kind && time.Since(m.since) > steady
	})
}

// used says whether a kind of link was ever in use.
func (m *member) used(kind client.Link) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.links, kind)
}

// talk sends signals with the numbers from first on, in bursts with silences between them.
func (m *member) talk(ctx context.Context, to string, first, count int, silence time.Duration) error {
	const burst = 100
	for n := first; n < first+count; n++ {
		if err := m.Send(ctx, to, 0, fmt.Sprint(n, " ", strings.Repeat("x", n%200))); err != nil {
			return fmt.Errorf("%s: signal %d: %w", m.ID(), n, err)
		}
		pause := time.Duration(0)
		if n%10 == 9 {
			pause = 10 * time.Millisecond
		}
		if n%burst == burst-1 && n+1 < first+count {
			pause += silence
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// converse has two members send each other signals with the numbers from first on, all of which arrive.
func converse(t *testing.T, a, b *member, first, count int, silence time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	sent := make(chan error, 2)
	go func() { sent <- a.talk(ctx, b.ID(), first, count, silence) }()
	go func() { sent <- b.talk(ctx, a.ID(), first, count, silence) }()
	for range 2 {
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
	a.hear(first + count)
	b.hear(first + count)
}
