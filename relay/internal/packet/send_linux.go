//go:build amd64 || arm64

package packet

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxSegments is how many datagrams the kernel cuts one into (UDP_MAX_SEGMENTS).
	maxSegments = 64
	// maxPayload is the size of the largest datagram to send (IPv4's, which IPv6's is not below).
	maxPayload = 65507
	// maxParts is how many pieces of memory the datagrams of one system call are in.
	maxParts = 1024
)

// writer has what the system calls of one goroutine need.
type writer struct {
	headers  [batchSize]header
	names    [batchSize]name
	controls [batchSize]control
	runs     [batchSize]run
	parts    []unix.Iovec // with room for maxParts, so that it stays where it is

	s    *Socket // whose datagrams are in it
	used int     // headers
}

// run is what one header sends: one datagram, or several of one size.
type run struct {
	first, n int32 // messages, from the first on
	segment  int   // their size
}

// flushBatches sends what is queued for sockets in the modes with batches.
func (o *Outbox) flushBatches() {
	if o.batch == nil {
		o.batch = &writer{parts: make([]unix.Iovec, 0, maxParts)}
	}
	w := o.batch
	for i := range o.chains {
		c := &o.chains[i]
		if c.s.plain != nil {
			continue
		}
		for at, left := c.first, true; left; {
			last := o.run(w, c, at)
			left = last != c.last
			at = o.messages[last].next
		}
	}
	o.submit(w)
	w.s = nil
}

// run puts a header into the writer for a message of a chain and those behind it that can go with it. It returns
// the last of them.
func (o *Outbox) run(w *writer, c *chain, at int32) int32 {
	if w.s != c.s || w.used == batchSize || len(w.parts)+3 > maxParts {
		o.submit(w)
		w.s = c.s
	}
	m := &o.messages[at]
	if m.DF {
		o.submit(w)
		w.s = c.s
		w.add(o, c, at, 1)
		if fd, err := c.s.use(); err == nil {
			c.s.probing(fd, func() { o.submit(w) })
			c.s.done()
		}
		w.used, w.parts = 0, w.parts[:0]
		return at
	}
	segment, n, last := o.size(m), 1, at
	if most := int(c.s.batch.segment.Load()); segment > 0 && segment <= most {
		total, parts := segment, len(w.parts)+3
		for last != c.last && n < maxSegments && parts+3 <= maxParts {
			next := &o.messages[o.messages[last].next]
			size := o.size(next)
			if size == 0 || size > segment || next.DF || total+size > maxPayload {
				break
			}
			last = o.messages[last].next
			total, parts, n = total+size, parts+3, n+1
			if size < segment {
				break // only the last may be shorter
			}
		}
	}
	w.add(o, c, at, n)
	return last
}

func (o *Outbox) size(m *queued) int { return int(m.headEnd-m.head) + len(m.Body) + m.Pad }

// add makes a header for n messages.
func (w *writer) add(o *Outbox, c *chain, at int32, n int) {
	i := w.used
	w.used++
	h := &w.headers[i]
	start := len(w.parts)
	w.runs[i] = run{first: at, n: int32(n), segment: o.size(&o.messages[at])}
	for range n {
		m := &o.messages[at]
		w.part(o.headOf(m))
		w.part(m.Body)
		w.part(zeros[:m.Pad])
		at = m.next
	}
	h.Name = (*byte)(unsafe.Pointer(&w.names[i]))
	h.Namelen = putName(&w.names[i], c.s.six, c.to)
	h.Iov = nil
	if len(w.parts) > start {
		h.Iov = &w.parts[start]
	}
	h.SetIovlen(len(w.parts) - start)
	used := 0
	if c.from.IsValid() {
		used = putLocal(&w.controls[i], used, c.s.six, c.from)
	}
	if n > 1 {
		var size [2]byte
		binary.NativeEndian.PutUint16(size[:], uint16(w.runs[i].segment))
		used = putControl(&w.controls[i], used, unix.SOL_UDP, unix.UDP_SEGMENT, size[:])
	}
	h.Control = nil
	if used > 0 {
		h.Control = &w.controls[i][0]
	}
	h.SetControllen(used)
}

func (w *writer) part(b []byte) {
	if len(b) > 0 {
		w.parts = append(w.parts, unix.Iovec{Base: &b[0], Len: uint64(len(b))})
	}
}

// submit sends what is in the writer.
func (o *Outbox) submit(w *writer) {
	n := w.used
	if n == 0 {
		return
	}
	defer func() { w.used, w.parts = 0, w.parts[:0] }()
	s := w.s
	fd, err := s.use()
	if err != nil {
		return // what is for a closed socket is nobody's loss
	}
	defer s.done()
	tried := false
	for i := 0; i < n; {
		sent, code := 0, syscall.Errno(0)
		if n-i == 1 {
			if code = sendOne(fd, &w.headers[i]); code == 0 {
				sent = 1
			}
		} else {
			sent, code = call(unix.SYS_SENDMMSG, fd, &w.headers[i], n-i, unix.MSG_DONTWAIT)
		}
		switch {
		case code == 0:
			i += sent
			tried = false
		case code == unix.EINTR:
		case code == unix.EAGAIN || code == unix.ENOBUFS:
			o.lose(s, w.runs[i:n], code) // there is no room for the others either
			return
		case w.runs[i].n > 1 && !tried:
			o.alone(w, i, fd, code)
			i++
		case !tried:
			tried = true // the error may be an earlier datagram's, of which an ICMP message has told
		default:
			o.lose(s, w.runs[i:i+1], code)
			i++
			tried = false
		}
	}
}

// sendOne is sendmsg, which is cheaper than sendmmsg for one.
func sendOne(fd int, h *header) syscall.Errno {
	_, _, code := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h.Msghdr)), unix.MSG_DONTWAIT)
	return code
}

// alone sends the datagrams of a run one by one, because the system would not cut them, and remembers that.
func (o *Outbox) alone(w *writer, i, fd int, code syscall.Errno) {
	s, r := w.s, w.runs[i]
	switch code {
	case unix.EINVAL, unix.EMSGSIZE: // larger than the route's packets
		s.batch.segment.Store(int32(r.segment - 1))
	case unix.EIO, unix.EOPNOTSUPP, unix.ENOPROTOOPT: // the device cannot
		s.batch.segment.Store(0)
	}
	var single writer
	single.parts = make([]unix.Iovec, 0, 3)
	c := chain{s: s, to: nameOf(&w.names[i])}
	at := r.first
	for range r.n {
		m := &o.messages[at]
		c.from = m.From
		single.used, single.parts = 0, single.parts[:0]
		single.add(o, &c, at, 1)
		code := sendOne(fd, &single.headers[0])
		if code != 0 && code != unix.EAGAIN {
			code = sendOne(fd, &single.headers[0])
		}
		if code != 0 {
			o.lost(s, 1, code)
		}
		at = m.next
	}
}

func (o *Outbox) lose(s *Socket, runs []run, code syscall.Errno) {
	n := 0
	for _, r := range runs {
		n += int(r.n)
	}
	o.lost(s, n, code)
}
