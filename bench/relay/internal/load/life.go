//go:build linux

package load

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// life is a client's: it makes an allocation, keeps it alive for a while, and gives it back or leaves it.
func (c *Crowd) life(ctx context.Context, i int) error {
	t := c.Target
	t.Username = c.Users[rand.IntN(len(c.Users))]
	switch {
	case i >= c.Streams:
		t.Transport = UDP
	case i%2 == 0:
		t.Transport = TCP
	default:
		t.Transport, t.Server = TLS, c.TLS
	}
	var m *member
	err := t.AtClient(func() error {
		made, err := dial(t, i)
		if err == nil {
			m = &member{client: made, to: raw(made.relayed), indications: rand.IntN(5) == 0}
			m.stream, _ = made.link.(*stream)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := c.admit(m); err != nil {
		m.link.close()
		return err
	}
	c.join(m)
	defer c.forget(m)
	err = c.live(ctx, m)
	c.leave(m)
	if err != nil || ctx.Err() != nil {
		return err
	}
	pause(ctx, grace) // for what is under way
	if rand.IntN(4) == 0 {
		c.count(func(n *Counts) { n.Abandoned++ })
		return nil
	}
	if err := m.refresh(0); err != nil {
		return err
	}
	c.count(func(n *Counts) { n.GivenBack++ })
	return nil
}

// admit lets the peer reach a client.
func (c *Crowd) admit(m *member) error {
	if m.indications {
		return m.permit(c.at)
	}
	return m.bind(channel, c.at)
}

// live refreshes an allocation, and what it lets the peer do, for a client's life.
func (c *Crowd) live(ctx context.Context, m *member) error {
	for left := c.Lifetime(); left > 0; {
		wait := min(left, 15*time.Second+rand.N(105*time.Second))
		pause(ctx, wait)
		if left -= wait; left <= 0 || ctx.Err() != nil {
			return nil
		}
		if err := m.refresh(600 * time.Second); err != nil {
			return err
		}
		if err := c.admit(m); err != nil {
			return err
		}
		c.count(func(n *Counts) { n.Refreshed++ })
	}
	return nil
}

// join has packets flow. From now on the crowd reads what comes, and answers with it.
func (c *Crowd) join(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.replies = make(chan []byte, 4)
	fd := int32(m.link.descriptor())
	c.members[fd] = m
	c.active = append(c.active, m)
	c.counts.Made++
	_ = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: fd}) // a socket that is open, and new there
}

// leave has no more be sent.
func (c *Crowd) leave(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.active {
		if other == m {
			last := len(c.active) - 1
			c.active[i], c.active[last] = c.active[last], nil
			c.active = c.active[:last]
			return
		}
	}
}

// forget closes a client's socket.
func (c *Crowd) forget(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, int32(m.link.descriptor()))
	m.link.close()
}

func (c *Crowd) count(f func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.counts)
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
