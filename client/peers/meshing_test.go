package peers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

// crowd is a room of many, of whom each collects what it is told.
type crowd struct {
	*testing.T
	members []*member
	cuts    []*atomic.Bool
	ears    []*ears
}

// ears hold what came to one member, by who said it.
type ears struct {
	mu    sync.Mutex
	texts map[string][]string // guarded by mu
	lost  int                 // guarded by mu; channels that ended
}

// gather has so many join the room "lobby", and waits until all of them are meshed and connected.
func gather(t *testing.T, s *service, size int, cfg Config) *crowd {
	t.Helper()
	c := &crowd{T: t, members: make([]*member, size), cuts: make([]*atomic.Bool, size), ears: make([]*ears, size)}
	var joins sync.WaitGroup
	for i := range size {
		cfg := cfg
		c.cuts[i], c.ears[i] = new(atomic.Bool), &ears{texts: map[string][]string{}}
		if cfg.API == nil {
			cfg.API = cuttable(t, c.cuts[i])
		}
		joins.Go(func() {
			c.members[i] = s.join(fmt.Sprintf("peer%02d", i), cfg)
			go c.listen(i)
		})
	}
	joins.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return c
}

// listen reads all that comes on the channel "chat".
func (c *crowd) listen(i int) {
	m, ears := c.members[i], c.ears[i]
	for {
		channel, err := m.Accept(context.Background())
		if err != nil {
			return
		}
		if channel.Name() != "chat" {
			continue
		}
		go func() {
			from := channel.Peer().ID()
			for {
				text, err := channel.ReadMessage(context.Background())
				ears.mu.Lock()
				if err == nil {
					ears.texts[from] = append(ears.texts[from], string(text))
				} else if errors.Is(err, ErrLost) {
					ears.lost++
				}
				ears.mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
	}
}

func (e *ears) from(id string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.texts[id])
}

// connections returns how many connections a member has.
func (m *member) connections() (n int) {
	done := make(chan struct{})
	if m.post(func() {
		for _, p := range m.peers {
			if p.connection != nil {
				n++
			}
		}
		close(done)
	}) {
		<-done
	}
	return n
}

// settled waits until everybody of some is connected with each of them, by at most 8 connections.
func (c *crowd) settled(members []*member) {
	c.Helper()
	for _, m := range members {
		m.until("the room is settled", func() bool {
			for _, o := range members {
				if p := m.Peer(o.ID()); o != m && (p == nil || p.State() != Connected) {
					return false
				}
			}
			return m.Meshed() && m.connections() <= 8
		})
	}
}

// TestARoomOfManyIsMeshed has Go peers over real connections broadcast, talk to one, vanish and be missed. PARLEY_MESH is how many
// peers are in the room.
func TestARoomOfManyIsMeshed(t *testing.T) {
	t.Parallel() // it waits most of the time
	size, _ := strconv.Atoi(cmp.Or(os.Getenv("PARLEY_MESH"), "16"))
	limits := generous.Limits
	limits.PerAddress, limits.Peers, limits.JoinRate, limits.JoinBurst = 1000, 1000, 1000, 1000
	s := serve(t, signaling.Config{Limits: limits})
	began := time.Now()
	c := gather(t, s, size, Config{Key: NewKey(), haste: 2, Channels: map[string]ChannelOptions{"chat": {}, "pipe": {}}})
	c.settled(c.members)
	t.Logf("%d peers are settled after %v", size, time.Since(began))

	for _, m := range c.members {
		for _, p := range m.Peers() {
			if !p.Verified() {
				t.Errorf("%s is not verified to %s: %v", p, m.ID(), p.Path())
			}
		}
	}

	const count = 50
	c.broadcast(c.members, "before", count)
	near, far := c.pair()
	c.stream(c.members[near], c.members[far])

	gone := size / 5
	left := c.members[gone:]
	for i, m := range c.members[:gone] {
		c.cuts[i].Store(true)
		m.Session().Close()
	}
	began = time.Now()
	c.broadcast(left, "at once", count)
	t.Logf("%d vanished, and the others heard all after %v", gone, time.Since(began))
	for _, m := range left {
		for _, g := range c.members[:gone] {
			m.until(g.ID()+" is missed", func() bool { p := m.Peer(g.ID()); return p == nil || p.State() != Connected })
		}
	}
	t.Logf("they were missed after %v", time.Since(began))
	c.broadcast(left, "after", count)
	c.leave(left, count)
	for i, e := range c.ears[gone:] {
		e.mu.Lock()
		t.Logf("%s: %d channels ended, %d connections", left[i].ID(), e.lost, left[i].connections())
		e.mu.Unlock()
	}
}

// leave has one of some say so much to all and leave, and waits until the others heard all.
func (c *crowd) leave(members []*member, count int) {
	c.Helper()
	leaver := members[0]
	ctx, cancel := leaver.soon()
	defer cancel()
	for i := range count {
		if err := leaver.Broadcast(ctx, "chat", fmt.Appendf(nil, "bye %d", i)); err != nil {
			c.Error(err)
		}
	}
	if err := leaver.Leave(ctx); err != nil {
		c.Error(err)
	}
	for i, m := range c.members {
		if slices.Contains(members[1:], m) {
			last := fmt.Sprintf("bye %d", count-1)
			m.until("the last words of "+leaver.ID()+" are heard", func() bool { return slices.Contains(c.ears[i].from(leaver.ID()), last) })
		}
	}
}

// broadcast has three of some say so much to all, and waits until all of them heard all, once and in order.
func (c *crowd) broadcast(members []*member, what string, count int) {
	c.Helper()
	speakers := members[:3]
	var says sync.WaitGroup
	for _, m := range speakers {
		says.Go(func() {
			ctx, cancel := m.soon()
			defer cancel()
			for i := range count {
				if err := m.Broadcast(ctx, "chat", fmt.Appendf(nil, "%s %d", what, i)); err != nil {
					c.Errorf("%s says %d: %v", m.ID(), i, err)
				}
			}
		})
	}
	says.Wait()
	want := make([]string, count)
	for i := range want {
		want[i] = fmt.Sprintf("%s %d", what, i)
	}
	for i, m := range c.members {
		if !slices.Contains(members, m) {
			continue
		}
		for _, speaker := range speakers {
			if m == speaker {
				continue
			}
			heard := func() []string {
				return slices.DeleteFunc(c.ears[i].from(speaker.ID()), func(text string) bool { return !strings.HasPrefix(text, what+" ") })
			}
			m.until("it heard all that "+speaker.ID()+" says "+what, func() bool { return len(heard()) >= count })
			if got := heard(); !slices.Equal(got, want) {
				c.Errorf("%s heard of %s: %q", m.ID(), speaker.ID(), got)
			}
		}
	}
}

// pair returns two who are not connected.
func (c *crowd) pair() (one, other int) {
	for i, m := range c.members {
		for j, o := range c.members {
			if p := m.Peer(o.ID()); p != nil && p.Path().Kind == Mesh {
				return i, j
			}
		}
	}
	c.Fatal("all are connected")
	return 0, 0
}

// stream copies bytes to one who is not connected, and back.
func (c *crowd) stream(from, to *member) {
	c.Helper()
	out, in := from.open(to.ID(), "pipe"), to.open(from.ID(), "pipe")
	if path := out.Peer().Path(); path != (Path{Kind: Mesh}) {
		c.Errorf("the path is %+v", path)
	}
	go func() { _, _ = io.Copy(in, in) }()
	sent := []byte(strings.Repeat("what is said to one. ", 10_000))
	go func() {
		if n, err := out.Write(sent); err != nil {
			c.Errorf("wrote %d of %d: %v", n, len(sent), err)
		}
	}()
	got := make([]byte, len(sent))
	_ = out.SetReadDeadline(time.Now().Add(patient))
	if n, err := io.ReadFull(out, got); err != nil || string(got) != string(sent) {
		c.Errorf("read %d of %d: %v", n, len(sent), err)
	}
	var large *TooLargeError
	if err := out.WriteMessage(c.Context(), make([]byte, 64<<10+1)); !errors.As(err, &large) || large.Limit != 64<<10 {
		c.Errorf("a message over 64 KiB: %v", err)
	}
}
