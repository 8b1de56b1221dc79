//go:build linux

package load

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Crowd is clients that come and go while packets flow between them and a peer, both ways. It sleeps between packets, which leave
// in small bursts of many sizes, and so costs little.
type Crowd struct {
	Target   Target         // of clients over UDP and TCP; its user and transport are not looked at
	TLS      netip.AddrPort // of clients over TLS
	Users    []string       // whose clients they are; all have the target's password
	Clients  int            // at once
	Streams  int            // of them, over TCP and TLS, half each
	Rate     int            // packets per second, both ways together
	Lifetime func() time.Duration

	peer     int
	at       netip.AddrPort
	epoll    int
	in, out  *batch
	frames   []byte
	events   [batchSize]unix.EpollEvent
	carrying sync.WaitGroup

	mu      sync.Mutex
	active  []*member         // guarded by mu; packets are sent to and from them
	members map[int32]*member // guarded by mu; by descriptor: what comes for them is read
	turn    int               // guarded by mu; whose it is
	counts  Counts            // guarded by mu
	delays  Histogram         // guarded by mu; since counts were taken
}

// Counts is what a crowd has done since it began.
type Counts struct {
	Sent, Arrived int
	Unsent        int // packets that the crowd had no time for, or its own sockets no room
	Made          int // allocations
	Refreshed     int // refreshes of allocations and channels that were answered
	GivenBack     int // allocations deleted
	Abandoned     int // allocations left to end by themselves
	Failures      int // requests refused or not answered
	LastFailure   string
	Clients       int // that there are now

	P50, P99 time.Duration // since the last time that counts were taken
}

// member is one client of a crowd, for as long as its allocation lives.
type member struct {
	*client
	stream      *stream // its link; nil over UDP
	to          *unix.RawSockaddrInet4
	indications bool
}

const (
	tick      = time.Millisecond
	mostOwed  = 50 * time.Millisecond // for what was not sent in time, for as long, is not sent later
	grace     = 300 * time.Millisecond
	mostBurst = 8
)

// Run has clients come and go until ctx ends.
func (c *Crowd) Run(ctx context.Context) error {
	c.in, c.out, c.members = newBatch(), newBatch(), make(map[int32]*member)
	err := c.Target.AtPeer(func() (err error) {
		c.peer, c.at, err = open(c.Target.Peer)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(c.peer) }()
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	defer func() { _ = unix.Close(c.epoll) }()
	carry, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	c.carrying.Go(func() { c.carry(carry) })
	var lives sync.WaitGroup
	for i := range c.Clients {
		lives.Go(func() {
			pause(ctx, time.Duration(i)*10*time.Millisecond) // not all at once
			for ctx.Err() == nil {
				if err := c.life(ctx, i); err != nil {
					c.failed(err)
					pause(ctx, time.Second)
				}
			}
		})
	}
	lives.Wait()
	stop()
	c.carrying.Wait()
	return nil
}

// Take returns the counts.
func (c *Crowd) Take() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.counts
	taken.Clients = len(c.active)
	taken.P50, taken.P99 = c.delays.Quantile(0.5), c.delays.Quantile(0.99)
	c.delays.Reset()
	return taken
}

func (c *Crowd) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Failures++
	c.counts.LastFailure = err.Error()
}

// carry sends and takes in packets until ctx ends.
func (c *Crowd) carry(ctx context.Context) {
	for last := time.Now(); ctx.Err() == nil; {
		time.Sleep(tick)
		now := time.Now()
		owed := int(float64(c.Rate) * now.Sub(last).Seconds())
		if owed == 0 {
			continue
		}
		last = last.Add(time.Duration(float64(owed) / float64(c.Rate) * float64(time.Second)))
		c.mu.Lock()
		if most := max(1, int(float64(c.Rate)*mostOwed.Seconds())); owed > most {
			c.counts.Unsent += owed - most
			owed = most
		}
		for owed > 0 && len(c.active) > 0 {
			owed -= c.burst(min(owed, 1+rand.IntN(mostBurst)))
		}
		c.collect()
		c.mu.Unlock()
	}
}

// burst sends n packets of one client, or the peer's to one, and returns n. All have one size but the last, which may be shorter.
func (c *Crowd) burst(n int) int {
	m := c.active[c.turn/2%len(c.active)]
	size, now := 20+rand.IntN(1180), clock()
	sent := 0
	toPeer := c.turn%2 == 0
	c.frames = c.frames[:0]
	for k := range n {
		if k == n-1 {
			size -= rand.IntN(2) * rand.IntN(size-8)
		}
		p := c.out.buffers[k][:]
		switch {
		case !toPeer:
			binary.NativeEndian.PutUint64(p, uint64(now))
			c.out.parts[k].SetLen(size)
		case m.indications:
			c.out.parts[k].SetLen(sendIndication(p, c.at, size, now))
		default:
			c.out.parts[k].SetLen(channelData(p, size, now))
		}
		if toPeer && m.stream != nil {
			c.frames = append(c.frames, p[:(int(c.out.parts[k].Len)+3)&^3]...)
		}
	}
	switch {
	case !toPeer:
		sent = c.out.send(c.peer, n, m.to)
	case m.stream == nil:
		sent = c.out.send(m.link.descriptor(), n, nil)
	case m.stream.write(c.frames) == nil:
		sent = n
	}
	c.counts.Sent += sent
	c.counts.Unsent += n - sent
	c.turn++
	return n
}

// collect takes in all that has come.
func (c *Crowd) collect() {
	for c.receive(c.peer, nil) == batchSize {
		continue
	}
	for {
		done, _, code := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(c.epoll), ptr(&c.events[0]), batchSize, 0, 0, 0)
		if code != 0 || done == 0 {
			return
		}
		for _, event := range c.events[:done] {
			switch m := c.members[event.Fd]; {
			case m == nil:
			case m.stream != nil:
				c.receiveStream(m)
			default:
				c.receive(m.link.descriptor(), m)
			}
		}
		if done < batchSize {
			return
		}
	}
}

// receive takes in some packets of a socket: the peer's, or a client's.
func (c *Crowd) receive(fd int, m *member) int {
	n := c.in.receive(fd)
	for k := range n {
		at, _ := c.in.arrived(k)
		if m == nil {
			note(&c.delays, c.in.packet(k), 0, at)
			c.counts.Arrived++
			continue
		}
		c.hear(m, c.in.packet(k), at)
	}
	return n
}

func (c *Crowd) receiveStream(m *member) {
	m.stream.flush()
	for {
		more, err := m.stream.fill()
		if err != nil { // it has ended: what waits for answers will see
			_ = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_DEL, m.link.descriptor(), nil)
			return
		}
		if !more {
			return
		}
		now := clock()
		for p := m.stream.next(); p != nil; p = m.stream.next() {
			c.hear(m, p, now)
		}
	}
}

// hear takes what came for a client: data, or an answer.
func (c *Crowd) hear(m *member, p []byte, at int64) {
	if len(p) >= 2 && p[0] < 4 && binary.BigEndian.Uint16(p) != typeData {
		m.heard(p)
		return
	}
	note(&c.delays, p, 4, at)
	c.counts.Arrived++
}
