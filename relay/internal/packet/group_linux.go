//go:build amd64 || arm64

package packet

import (
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// turnSize is how many sockets are looked at in one turn.
	turnSize = 64
	// fairShare is how many datagrams of one socket are read before others get their turn.
	fairShare = 32
	// leastRoom is how many buffers must be free to read another socket into them.
	leastRoom = 8
)

// batchGroup watches the group's sockets by an epoll descriptor, which Go's poller watches in turn: so its goroutine waits like any
// other, and holds no thread while it does.
type batchGroup struct {
	file *os.File
	fd   int

	mu      sync.RWMutex
	sockets []*Socket // guarded by mu; by slot, nil where there is none
	marks   []uint32  // guarded by mu; how often a slot was taken
	free    []uint32  // guarded by mu
}

// start begins to wait. g.mu is held.
func (g *Group) start() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd) // the first error says it all
		return os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close() // as above
		return err
	}
	g.batch.fd, g.batch.file = fd, file
	t := newTurn(g)
	g.running.Go(func() {
		// It ends when the file is closed. Within the call no event is missed: what comes while a turn is taken wakes the next.
		_ = raw.Read(func(uintptr) bool {
			t.serve()
			return false
		})
	})
	return nil
}

// stop ends the goroutine and closes the sockets.
func (g *Group) stop() {
	if g.batch.file == nil {
		return
	}
	_ = g.batch.file.Close() // there is nothing to lose
	g.running.Wait()
	g.batch.mu.Lock()
	all := g.batch.sockets
	g.batch.mu.Unlock()
	for _, s := range all {
		if s != nil {
			_ = s.Close() // as above
		}
	}
}

// bind opens a socket by the system calls themselves: Go's poller need not know it.
func (g *Group) bind(addr netip.AddrPort, options Options) (*Socket, error) {
	s := &Socket{options: options, six: addr.Addr().Is6()}
	family := unix.AF_INET
	if s.six {
		family = unix.AF_INET6
	}
	number, _, code := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if code != 0 {
		return nil, os.NewSyscallError("socket", code)
	}
	fd := int(number)
	s.batch.fd = fd
	if err := s.bind(addr); err != nil {
		_ = unix.Close(fd) // as above
		return nil, fmt.Errorf("listen on %v/udp: %w", addr, err)
	}
	s.offload(g.mode)
	return s, nil
}

func (s *Socket) bind(addr netip.AddrPort) error {
	fd := s.batch.fd
	if s.six {
		if err := setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := s.setOptions(fd); err != nil {
		return err
	}
	var n name
	size := putName(&n, s.six, addr)
	if _, _, code := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&n)), uintptr(size)); code != 0 {
		return os.NewSyscallError("bind", code)
	}
	s.addr = addr
	if addr.Port() == 0 {
		local, err := unix.Getsockname(fd)
		if err != nil {
			return os.NewSyscallError("getsockname", err)
		}
		s.addr = plain(addrOf(local))
	}
	return nil
}

// watch begins to read a socket.
func (g *Group) watch(s *Socket) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrClosed
	}
	b := &g.batch
	if b.file == nil {
		if err := g.start(); err != nil {
			return err
		}
	}
	b.mu.Lock()
	if n := len(b.free); n > 0 {
		s.batch.slot, b.free = b.free[n-1], b.free[:n-1]
	} else {
		s.batch.slot = uint32(len(b.sockets))
		b.sockets, b.marks = append(b.sockets, nil), append(b.marks, 0)
	}
	b.sockets[s.batch.slot] = s
	b.marks[s.batch.slot]++
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.batch.slot), Pad: int32(b.marks[s.batch.slot])}
	b.mu.Unlock()
	s.batch.of.Store(b)
	fd, err := s.use() // it may be closed at any time, and has not seen the group then
	if err != nil {
		b.forget(s)
		return err
	}
	defer s.done()
	if _, _, code := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(b.fd), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&event)), 0, 0); code != 0 {
		b.forget(s)
		return os.NewSyscallError("epoll_ctl", code)
	}
	return nil
}

// forget frees the slot of a socket.
func (b *batchGroup) forget(s *Socket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slot := s.batch.slot; int(slot) < len(b.sockets) && b.sockets[slot] == s {
		b.sockets[slot] = nil
		b.free = append(b.free, slot)
	}
}

// turn is what the group's goroutine does when something has come.
type turn struct {
	g        *Group
	in       *reader
	out      *Outbox
	events   [turnSize]unix.EpollEvent
	ready    []*Socket // those of the events
	arrivals []Arrival
	patience pause // with errors in a row
	came     int   // datagrams in this turn
	pace     pace
}

func newTurn(g *Group) *turn {
	return &turn{g: g, in: newReader(), out: NewOutbox(g.lost)}
}

// serve takes turns while something comes. Where much does, it waits a little between them, so that a turn handles more.
func (t *turn) serve() {
	again := false // the turn before left something
	for naps := 0; ; {
		more := t.take()
		if naps > 0 && !again {
			t.pace.napped(t.came > 0)
		}
		again = more
		switch {
		case t.came > 0:
			t.pace.note(time.Now(), t.came)
		case !more:
			return
		}
		if more {
			continue
		}
		if naps == mostNaps || !t.pace.worthNap() {
			return
		}
		nap()
		naps++
	}
}

// take takes one turn: it reads the sockets at which something has come, each a fair share, and has that handled. It
// returns whether there may be more.
func (t *turn) take() bool {
	b := &t.g.batch
	done, _, code := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(b.fd), uintptr(unsafe.Pointer(&t.events[0])), turnSize, 0, 0, 0)
	t.came = 0
	if code != 0 {
		return code == unix.EINTR
	}
	n := int(done)
	more := n == turnSize
	t.ready = t.ready[:0]
	b.mu.RLock()
	for i := range t.events[:n] {
		event := &t.events[i]
		if s := b.sockets[uint32(event.Fd)]; s != nil && b.marks[uint32(event.Fd)] == uint32(event.Pad) {
			t.ready = append(t.ready, s)
		} else {
			t.ready = append(t.ready, nil)
		}
	}
	b.mu.RUnlock()
	for i, s := range t.ready {
		if s != nil && t.read(s, t.events[i].Events) {
			more = true
		}
	}
	t.handle()
	return more
}

// read reads a socket into the free buffers, and returns whether there may be more.
func (t *turn) read(s *Socket, events uint32) (more bool) {
	if t.in.room() < leastRoom {
		t.handle()
	}
	a := Arrival{Socket: s, Tag: s.options.Tag}
	if events&unix.EPOLLERR != 0 {
		var n int
		a.Failures, n = s.failures(nil)
		more = n == maxFailures
	}
	fd, err := s.use()
	if err != nil {
		return false
	}
	defer s.done()
	share := fairShare
	if s.ended != nil {
		share = batchSize // an adopted one is everybody's
	}
	if s.batch.grouped > 1 {
		share = max(1, share/s.batch.grouped)
	}
	var left bool
	used := t.in.used
	if a.Datagrams, a.Lost, left, err = t.in.receive(fd, s, share); err == nil {
		t.patience = 0
	} else if left = true; len(a.Failures) == 0 {
		_ = t.patience.wait() // it was not about a datagram that had been sent: the system is short of something
	}
	if used = t.in.used - used; used > 0 {
		if !s.batch.prepared {
			s.prepare()
		}
		s.batch.grouped = max(len(a.Datagrams)/used, s.batch.grouped*7/8) // one that comes alone says little of the next
		t.came += len(a.Datagrams)
	}
	if len(a.Datagrams)+len(a.Failures) > 0 {
		t.arrivals = append(t.arrivals, a)
	}
	return more || left
}

// handle has handled what was read.
func (t *turn) handle() {
	if len(t.arrivals) > 0 {
		t.g.handle(t.out, t.arrivals)
		t.out.Flush()
		clear(t.arrivals)
		t.arrivals = t.arrivals[:0]
	}
	t.in.reset()
}
