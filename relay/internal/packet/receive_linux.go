//go:build amd64 || arm64

package packet

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batchSize is how many datagrams one system call moves.
	batchSize = 64
	// stride is the distance of two buffers: room for any datagram, and so much more that those that begin the buffers
	// do not all fall into the same places of the processor's caches.
	stride = maxDatagram + 1 + 2<<10 + 64
)

// reader has the buffers of one goroutine. Of most, only the first pages are ever used and cost memory.
type reader struct {
	slab     []byte
	headers  [batchSize]header
	parts    [batchSize]unix.Iovec
	names    [batchSize]name
	controls [batchSize]control

	used      int // of the buffers
	datagrams []Datagram
}

func newReader() *reader {
	r := &reader{slab: make([]byte, batchSize*stride), datagrams: make([]Datagram, 0, 2*batchSize)}
	for i := range r.headers {
		r.parts[i].Base = &r.slab[i*stride]
		r.parts[i].SetLen(maxDatagram)
		h := &r.headers[i]
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.parts[i]
		h.SetIovlen(1)
		h.Control = &r.controls[i][0]
	}
	r.used = batchSize // so that all are reset
	r.reset()
	return r
}

// reset makes the buffers free again.
func (r *reader) reset() {
	for i := range r.headers[:r.used] {
		h := &r.headers[i] // the system has said how much it wrote
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(len(control{}))
	}
	r.used, r.datagrams = 0, r.datagrams[:0]
}

// room returns how many buffers are free.
func (r *reader) room() int { return batchSize - r.used }

// receive reads up to so many datagrams, or such that hold several. It returns whether there may be more, and how many the
// system has lost.
func (r *reader) receive(fd int, s *Socket, most int) (all []Datagram, lost uint32, more bool, failure error) {
	first := r.used
	most = min(most, r.room())
	var n int
	for {
		var code syscall.Errno
		n, code = call(unix.SYS_RECVMMSG, fd, &r.headers[first], most, unix.MSG_DONTWAIT)
		switch code {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return nil, 0, false, nil
		default:
			return nil, 0, false, code
		}
		break
	}
	r.used += n
	from := len(r.datagrams)
	for i := first; i < first+n; i++ {
		h := &r.headers[i]
		body := r.slab[i*stride : i*stride+int(h.size) : (i+1)*stride]
		d := Datagram{From: nameOf(&r.names[i]), Body: body[:len(body):len(body)]}
		segment := 0
		if h.Controllen > 0 {
			said := parseControl(r.controls[i][:h.Controllen])
			d.To, segment = said.to, said.segment
			if said.counted {
				lost += s.losses(said.lost)
			}
		}
		r.split(d, segment)
	}
	return r.datagrams[from:len(r.datagrams):len(r.datagrams)], lost, n == most, nil
}

// split takes apart what the system has put together: datagrams of one size, the last of which may be shorter.
func (r *reader) split(d Datagram, segment int) {
	if segment <= 0 || len(d.Body) <= segment {
		r.datagrams = append(r.datagrams, d)
		return
	}
	for body := d.Body; len(body) > 0; {
		n := min(segment, len(body))
		r.datagrams = append(r.datagrams, Datagram{From: d.From, To: d.To, Body: body[:n:n]})
		body = body[n:]
	}
}
