package worker

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// largeBuffer is how much of a stream is carried at once.
const largeBuffer = 32 << 10

// ServeStreams serves the connections of a listener, over TLS if so wished, until accepting them fails or the
// crew is closed, and closes the listener. The workers take turns.
func (c *Crew) ServeStreams(l net.Listener, secure bool) error {
	w := c.pick() // which counts what goes wrong here
	if err := w.enter(l); err != nil {
		_ = l.Close() // there is no more use for it, nor for the error
		return err
	}
	defer w.leave(l)
	serverTLS := serverTLS(c.cfg.GetCertificate)
	var patience backoff
	for {
		conn, err := l.Accept()
		if err != nil {
			// Running out of file descriptors is no reason to end: connections time out.
			if gone(err) || !temporary(err) && !patience.wait(w.done) {
				return c.ending(err)
			}
			w.drop("accept-error")
			select {
			case <-w.done:
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		patience = 0
		if secure {
			conn = tls.Server(NewCork(conn), serverTLS)
		}
		c.running.Go(func() { c.ServeConn(conn) })
	}
}

// temporary reports whether accepting may succeed later.
func temporary(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Temporary() //nolint:staticcheck // it says what it is asked here: EMFILE and the like
}

// ServeConn serves one connection until it ends, and closes it. One that knows its TLS state, as a
// [tls.Conn] does, is TLS.
func (c *Crew) ServeConn(conn net.Conn) { c.pick().serveConn(conn) }

func (w *Worker) serveConn(conn net.Conn) {
	transport := turn.TCP
	if _, ok := conn.(interface{ ConnectionState() tls.ConnectionState }); ok {
		transport = turn.TLS
	}
	addr := addrPortOf(conn.RemoteAddr())
	c := w.admit(conn, rawOf(conn), addr, transport)
	if c == nil {
		_ = rawOf(conn).Close() // it has brought nothing that could be lost
		return
	}
	if earlier, ok := conn.(interface{ Since() time.Time }); ok {
		c.began = earlier.Since()
	}
	defer w.dismiss(c)
	defer func() { _ = conn.Close() }() // for the client to see; whatever is lost was too late
	if secure, ok := conn.(interface {
		HandshakeContext(ctx context.Context) error
	}); ok {
		ctx, cancel := context.WithDeadline(context.Background(), c.began.Add(w.cfg.Patience))
		err := secure.HandshakeContext(ctx)
		cancel()
		if err != nil {
			w.drop(unshaken(err))
			return
		}
	}
	w.running.Go(c.write)
	peer, rest := c.read()
	c.finish()
	if peer != nil {
		c.carry(peer, rest)
	}
}

// read feeds the engine until the connection ends, or is bound to a peer's: then it returns that and
// what has come behind.
func (c *client) read() (*peerConn, []byte) {
	in := newIntake()
	defer in.settle()
	cork, _ := c.raw.(*Cork)
	if cork != nil {
		cork.greedy = true
		defer func() { cork.greedy = false }() // what is carried may wait for a peer
	}
	var frames turn.Stream
	frames.Wide = c.w.cfg.Engine.WideChannels
	first := true // nothing has been understood yet
	c.wait()
	for {
		size, effect, peer, err := c.feedStream(&frames, in.bytes())
		if err != nil {
			c.w.drop(misframed(in.bytes(), first, c.Transport == turn.TLS))
			return nil, nil
		}
		if size > 0 {
			first = false
			in.from += size
			switch {
			case effect.Hangup:
				return nil, nil
			case effect.Bound != 0:
				return peer, bytes.Clone(in.bytes())
			}
			continue
		}
		n, err := c.conn.Read(in.free())
		in.came(n)
		switch {
		case err == nil:
			if cork != nil {
				c.drain(cork, &in)
			}
		case n > 0: // the error comes again
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !c.stays(in.to > in.from) {
				return nil, nil
			}
			in.rest()
			c.wait()
		default:
			return nil, nil
		}
	}
}

// drain reads the records that have come behind one, so that they are handled together.
func (c *client) drain(cork *Cork, in *intake) {
	cork.dry = true
	defer func() { cork.dry = false }()
	for in.to < len(in.buf) {
		n, err := c.conn.Read(in.buf[in.to:])
		in.came(n)
		if err != nil {
			return // there is no more, or the error comes again
		}
	}
}

// rawOf returns what closes a connection without waiting for its other end.
func rawOf(conn net.Conn) net.Conn {
	if layered, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return layered.NetConn()
	}
	return conn
}

// addrPortOf returns a connection's address, or an unspecified one if it is none of TCP.
func addrPortOf(addr net.Addr) netip.AddrPort {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return unmapped(tcp.AddrPort())
	}
	if parsed, err := netip.ParseAddrPort(addr.String()); err == nil {
		return unmapped(parsed)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}

// unmapped returns an address without its IPv4-mapped form.
func unmapped(addr netip.AddrPort) netip.AddrPort {
	if addr.Addr().Is4In6() {
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	return addr
}
