package packet

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// buffers are those that no socket of mode Plain is reading into.
var buffers = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// servePlain reads one datagram at a time.
func (s *Socket) servePlain(handle Handler, lost Lost) error {
	out := NewOutbox(lost)
	arrivals, datagrams := make([]Arrival, 1), make([]Datagram, 1)
	var patience pause
	for {
		a := &arrivals[0]
		*a = Arrival{Socket: s, Tag: s.options.Tag}
		buf, d, err := s.receivePlain()
		switch {
		case err == nil:
			datagrams[0] = d
			a.Datagrams = datagrams
			patience = 0
		case closed(err):
			return ErrClosed
		default: // an ICMP error, or the system is short of something
			var n int
			if a.Failures, n = s.failures(nil); n > 0 {
				break
			}
			if !patience.wait() {
				return err
			}
			continue
		}
		if len(a.Datagrams)+len(a.Failures) > 0 {
			handle(out, arrivals)
			out.Flush()
		}
		if buf != nil {
			buffers.Put(buf)
		}
	}
}

// pause is how long to wait before reading is tried again.
type pause time.Duration

// maxPause is after how long a pause between errors in a row a socket is given up.
const maxPause = time.Second

// wait waits twice as long as before, and returns false when that would be too long.
func (p *pause) wait() bool {
	*p = max(2**p, pause(time.Millisecond))
	if *p > pause(maxPause) {
		*p = pause(maxPause)
		return false
	}
	time.Sleep(time.Duration(*p))
	return true
}

// receivePlain waits for a datagram. Its buffer goes back to buffers.
func (s *Socket) receivePlain() (*[maxDatagram]byte, Datagram, error) {
	buf := buffers.Get().(*[maxDatagram]byte)
	var d Datagram
	var n int
	var err error
	if conn, ok := s.plain.(*net.UDPConn); ok && s.options.Local {
		n, d, err = receiveLocal(conn, buf[:])
	} else {
		n, d.From, err = s.plain.ReadFromUDPAddrPort(buf[:])
	}
	if err != nil {
		buffers.Put(buf)
		return nil, d, err
	}
	d.From = plain(d.From)
	d.Body = buf[:n:n]
	return buf, d, nil
}

// sendPlain sends a datagram.
func (s *Socket) sendPlain(p []byte, to netip.AddrPort, from netip.Addr) error {
	if conn, ok := s.plain.(*net.UDPConn); ok && from.IsValid() {
		return sendLocal(conn, p, to, from, s.six)
	}
	_, err := s.plain.WriteToUDPAddrPort(p, to)
	return err
}
