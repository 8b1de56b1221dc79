//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Target is a relay that is loaded.
type Target struct {
	Server             netip.AddrPort
	Username, Password string
	From, Peer         netip.Addr // where clients and peers are
}

// Rig is a crowd of allocations, each with a channel to the same peer.
type Rig struct {
	target  Target
	clients []*client
	relayed []*unix.RawSockaddrInet4
	peer    int
	at      netip.AddrPort // of the peer
	epoll   int

	in, out *batch
	events  [batchSize]unix.EpollEvent
	delays  []time.Duration
}

const channel = 0x4000

// Open makes so many allocations.
func Open(t Target, n int) (*Rig, error) {
	r := &Rig{target: t, in: newBatch(), out: newBatch(), delays: make([]time.Duration, 0, 1<<20)}
	var err error
	if r.peer, r.at, err = open(t.Peer); err != nil {
		return nil, err
	}
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	r.clients = make([]*client, n)
	var mu sync.Mutex
	var failure error
	var group sync.WaitGroup
	next := make(chan int)
	for range 16 {
		group.Go(func() {
			for i := range next {
				c, err := dial(t.From, t.Server, t.Username, t.Password)
				if err == nil {
					err = c.bind(channel, r.at)
				}
				mu.Lock()
				if r.clients[i] = c; err != nil {
					failure = err
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	if failure != nil {
		r.Close()
		return nil, failure
	}
	for i, c := range r.clients {
		r.relayed = append(r.relayed, raw(c.relayed))
		if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// Close closes all sockets; the allocations expire.
func (r *Rig) Close() {
	for _, c := range r.clients {
		if c != nil {
			_ = unix.Close(c.fd) // there is nothing to lose
		}
	}
	_, _ = unix.Close(r.peer), unix.Close(r.epoll)
}

// Cell is one load.
type Cell struct {
	Rate        int  // packets per second, both ways together
	Burst       int  // packets that one client, or the peer for one, sends at once
	Size        int  // bytes of payload
	Indications bool // Send and Data in place of channels
	For         time.Duration
}

// Result is what was measured.
type Result struct {
	Sent, Arrived int
	Took          time.Duration
	P50, P99      time.Duration // from sending to arrival
	Late          bool          // the load could not be made
}

// Lost returns the share of what was sent that did not arrive.
func (r Result) Lost() float64 { return 1 - float64(r.Arrived)/float64(r.Sent) }

// Run makes a load. While it has nothing to send it reads what has come, so it never waits.
func (r *Rig) Run(c Cell) Result {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.drain()
	r.delays = r.delays[:0]
	var result Result
	interval := int64(time.Second) * int64(c.Burst) / int64(c.Rate)
	began := clock()
	end := began + int64(c.For)
	due := began
	worst := int64(0)
	for turn := 0; ; {
		now := clock()
		if now >= end {
			break
		}
		if now < due {
			result.Arrived += r.collect()
			continue
		}
		worst = max(worst, now-due)
		i := turn / 2 % len(r.clients)
		if turn%2 == 0 {
			r.fromClient(i, c, now)
		} else {
			r.fromPeer(i, c, now)
		}
		result.Sent += c.Burst
		turn++
		due += interval
		if turn%4 == 0 {
			result.Arrived += r.collect() // also when there is no time for it
		}
	}
	result.Took = time.Duration(clock() - began)
	for quiet := 0; quiet < 50; { // what is under way
		n := r.collect()
		result.Arrived += n
		if quiet++; n > 0 {
			quiet = 0
		}
		time.Sleep(time.Millisecond)
	}
	wanted := float64(c.Rate) * result.Took.Seconds()
	result.Late = float64(result.Sent) < 0.98*wanted
	slices.Sort(r.delays)
	if n := len(r.delays); n > 0 {
		result.P50, result.P99 = r.delays[n/2], r.delays[n*99/100]
	}
	return result
}

// String says what was measured, for people.
func (r Result) String() string {
	return fmt.Sprintf("sent %d, lost %.3f %%, p50 %v, p99 %v", r.Sent, 100*r.Lost(), r.P50, r.P99)
}

// drain forgets what has come.
func (r *Rig) drain() {
	for r.collect() > 0 {
		continue
	}
}

// fromClient sends a burst of one client to the peer.
func (r *Rig) fromClient(i int, c Cell, now int64) {
	for k := range c.Burst {
		p := r.out.buffers[k][:]
		n := 4 + c.Size
		if c.Indications {
			n = sendIndication(p, r.at, c.Size, now)
		} else {
			binary.BigEndian.PutUint16(p, channel)
			binary.BigEndian.PutUint16(p[2:], uint16(c.Size))
			binary.NativeEndian.PutUint64(p[4:], uint64(now))
		}
		r.out.parts[k].SetLen(n)
	}
	r.out.send(r.clients[i].fd, c.Burst, nil)
}

// fromPeer sends a burst of the peer to one client.
func (r *Rig) fromPeer(i int, c Cell, now int64) {
	for k := range c.Burst {
		binary.NativeEndian.PutUint64(r.out.buffers[k][:], uint64(now))
		r.out.parts[k].SetLen(c.Size)
	}
	r.out.send(r.peer, c.Burst, r.relayed[i])
}

// collect takes in what has come, at the peer and at some clients, and returns how many.
func (r *Rig) collect() int {
	n := r.in.receive(r.peer)
	for i := range n {
		r.note(i, 0)
	}
	total := n
	done, _, code := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(r.epoll), ptr(&r.events[0]), batchSize, 0, 0, 0)
	if code != 0 {
		return total
	}
	for _, event := range r.events[:done] {
		n := r.in.receive(r.clients[event.Fd].fd)
		for i := range n {
			r.note(i, 4)
		}
		total += n
	}
	return total
}

// note takes down how long a packet was under way.
func (r *Rig) note(i, head int) {
	p, at := r.in.packet(i), r.in.arrived(i)
	if head > 0 && len(p) > 0 && p[0] < 4 {
		head = dataAt(p)
	}
	if at == 0 || len(p) < head+8 || len(r.delays) == cap(r.delays) {
		return
	}
	r.delays = append(r.delays, time.Duration(at-int64(binary.NativeEndian.Uint64(p[head:]))))
}
