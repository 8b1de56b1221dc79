//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Cell is one load.
type Cell struct {
	Rate        int           `json:"rate"`  // packets per second, both ways together
	Burst       int           `json:"burst"` // packets that one client, or the peer for one, sends at once
	Size        int           `json:"size"`  // bytes of payload
	Indications bool          `json:"indications,omitempty"`
	For         time.Duration `json:"for"`
}

// Result is what was measured.
type Result struct {
	Sent    int           `json:"sent"`
	Arrived int           `json:"arrived"`
	Took    time.Duration `json:"took"`
	P50     time.Duration `json:"p50"` // from sending to arrival
	P99     time.Duration `json:"p99"`

	// What the bench itself could not do.
	Short   float64 `json:"short"`   // share of the load that was not sent, for want of time or of room in its own sockets
	Behind  float64 `json:"behind"`  // share of bursts that left more than a quarter of a millisecond late
	Overrun int     `json:"overrun"` // packets that came and found no room in its own sockets
}

// late is when a burst is so late that the load is no longer even.
const late = 250 * time.Microsecond

// Lost returns the share of what was sent that did not arrive.
func (r Result) Lost() float64 { return 1 - float64(r.Arrived)/float64(max(r.Sent, 1)) }

// Whole reports whether the load was made: all was sent, even if not all of it in time, and what came was read.
func (r Result) Whole() bool { return r.Short <= 0.02 && float64(r.Overrun) <= 0.0005*float64(r.Sent) }

// Limit says what the bench could not do, or "".
func (r Result) Limit() string {
	switch {
	case r.Short > 0.02:
		return fmt.Sprintf("the bench sent %.0f %% less than it should", 100*r.Short)
	case float64(r.Overrun) > 0.0005*float64(r.Sent):
		return fmt.Sprintf("the bench lost %.2f %% of what came, having no time to read", 100*float64(r.Overrun)/float64(r.Sent))
	case r.Behind > 0.1:
		return fmt.Sprintf("the bench sent %.0f %% late", 100*r.Behind)
	}
	return ""
}

// String says what was measured, for people.
func (r Result) String() string {
	return fmt.Sprintf("sent %d, lost %.3f %%, p50 %v, p99 %v", r.Sent, 100*r.Lost(), r.P50, r.P99)
}

// Run makes a load. While it has nothing to send it reads what has come, so it never waits.
func (r *Rig) Run(c Cell) Result {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.drain()
	r.delays.Reset()
	lost := r.overrun()
	var result Result
	interval := int64(time.Second) * int64(c.Burst) / int64(c.Rate)
	began := clock()
	end := began + int64(c.For)
	due := began
	bursts, behind := 0, 0
	for {
		now := clock()
		if now >= end {
			break
		}
		if now < due {
			result.Arrived += r.collect()
			continue
		}
		i := bursts / 2 % len(r.clients)
		if bursts%2 == 0 {
			result.Sent += r.fromClient(i, c, now)
		} else {
			result.Sent += r.fromPeer(i, c, now)
		}
		if now-due > int64(late) {
			behind++
		}
		bursts++
		due += interval
		if bursts%4 == 0 {
			result.Arrived += r.collect() // also when there is no time for it
		}
	}
	result.Took = time.Duration(clock() - began)
	result.Arrived += r.settle()
	result.Short = max(0, 1-float64(result.Sent)/(float64(c.Rate)*result.Took.Seconds()))
	result.Behind = float64(behind) / float64(max(bursts, 1))
	result.Overrun = int(r.overrun() - lost)
	result.P50, result.P99 = r.delays.Quantile(0.5), r.delays.Quantile(0.99)
	return result
}

// settle collects what is under way.
func (r *Rig) settle() int {
	total := 0
	for quiet := 0; quiet < 50; quiet++ {
		for _, s := range r.streams {
			if s != nil {
				s.flush()
			}
		}
		n := r.collect()
		if total += n; n > 0 {
			quiet = 0
		}
		time.Sleep(time.Millisecond)
	}
	return total
}

// drain forgets what has come.
func (r *Rig) drain() {
	for r.collect() > 0 {
		continue
	}
}

// overrun returns how many packets found no room in any of our sockets.
func (r *Rig) overrun() uint32 {
	var sum uint32
	for _, n := range r.overruns {
		sum += n
	}
	return sum
}

// fromClient sends a burst of one client to the peer, and returns how many packets left.
func (r *Rig) fromClient(i int, c Cell, now int64) int {
	if s := r.streams[i]; s != nil {
		return r.fromStream(s, c, now)
	}
	for k := range c.Burst {
		r.out.parts[k].SetLen(r.frame(r.out.buffers[k][:], c, now))
	}
	return r.out.send(r.clients[i].link.descriptor(), c.Burst, nil)
}

// fromStream does it for a client whose connection is a stream: a burst is one write. What the server does not take in is lost, as
// it would be to a call.
func (r *Rig) fromStream(s *stream, c Cell, now int64) int {
	r.frames = r.frames[:0]
	for range c.Burst {
		p := r.out.buffers[0][:]
		clear(p[c.Size : c.Size+64]) // padding
		n := r.frame(p, c, now)
		r.frames = append(r.frames, p[:(n+3)&^3]...)
	}
	_ = s.write(r.frames) // what is not written does not arrive
	return c.Burst
}

// frame writes a packet for the peer, and returns its size.
func (r *Rig) frame(p []byte, c Cell, now int64) int {
	if c.Indications {
		return sendIndication(p, r.at, c.Size, now)
	}
	return channelData(p, c.Size, now)
}

func channelData(p []byte, size int, now int64) int {
	binary.BigEndian.PutUint16(p, channel)
	binary.BigEndian.PutUint16(p[2:], uint16(size))
	binary.NativeEndian.PutUint64(p[4:], uint64(now))
	return 4 + size
}

// fromPeer sends a burst of the peer to one client.
func (r *Rig) fromPeer(i int, c Cell, now int64) int {
	for k := range c.Burst {
		binary.NativeEndian.PutUint64(r.out.buffers[k][:], uint64(now))
		r.out.parts[k].SetLen(c.Size)
	}
	return r.out.send(r.peer, c.Burst, r.relayed[i])
}

// collect takes in what has come, at the peer and at some clients, and returns how many packets.
func (r *Rig) collect() int {
	head := 0
	if r.direct {
		head = 4
	}
	total := r.receive(r.peer, len(r.clients), head)
	done, _, code := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(r.epoll), ptr(&r.events[0]), batchSize, 0, 0, 0)
	if code != 0 {
		return total
	}
	for _, event := range r.events[:done] {
		i := int(event.Fd)
		switch s := r.streams[i]; {
		case s != nil:
			total += r.receiveStream(s)
		case r.direct:
			total += r.receive(r.clients[i].link.descriptor(), i, 0)
		default:
			total += r.receive(r.clients[i].link.descriptor(), i, 4)
		}
	}
	return total
}

// receive takes in what has come to a socket whose packets have a head of so many bytes.
func (r *Rig) receive(fd, socket, head int) int {
	n := r.in.receive(fd)
	for k := range n {
		at, overrun := r.in.arrived(k)
		if overrun > 0 {
			r.overruns[socket] = overrun
		}
		note(&r.delays, r.in.packet(k), head, at)
	}
	return n
}

// receiveStream takes in what has come by a stream. The time is that of reading.
func (r *Rig) receiveStream(s *stream) int {
	total := 0
	s.flush()
	for {
		more, err := s.fill()
		if !more || err != nil {
			return total
		}
		now := clock()
		for m := s.next(); m != nil; m = s.next() {
			note(&r.delays, m, 4, now)
			total++
		}
	}
}

// note takes down how long a packet was under way.
func note(delays *Histogram, p []byte, head int, at int64) {
	if head > 0 && len(p) > 0 && p[0] < 4 {
		head = dataAt(p)
	}
	if at == 0 || len(p) < head+8 {
		return
	}
	delays.Add(time.Duration(at - int64(binary.NativeEndian.Uint64(p[head:]))))
}
