package worker

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// halfStream is a connection to a peer: TCP, or to another client of this relay.
type halfStream interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// peerConn is a TCP connection with a peer (RFC 6062). It is not read from before a client is bound
// to it: until then what arrives waits in the system's buffer.
type peerConn struct {
	w      *Worker
	id     uint32
	stream halfStream    // nil while it is being made
	closed chan struct{} // closed by close
	once   sync.Once
}

func newPeerConn(w *Worker, id uint32, stream halfStream) *peerConn {
	return &peerConn{w: w, id: id, stream: stream, closed: make(chan struct{})}
}

// peer returns the connection with that id, or nil.
func (w *Worker) peer(id uint32) *peerConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peers[id]
}

// close ends the connection, and so what carries its bytes. It does not wait. w.mu may be held.
func (p *peerConn) close() {
	p.once.Do(func() {
		close(p.closed)
		if p.stream != nil {
			_ = p.stream.Close() // nobody is left to be told
		}
	})
}

// CloseConn implements [turn.Sink].
func (w *Worker) CloseConn(id uint32) {
	if p := w.peers[id]; p != nil {
		delete(w.peers, id)
		w.later(p.close)
	}
}

// Join implements [turn.Sink].
func (w *Worker) Join(a, b uint32) {
	one, other := newInside()
	w.peers[a], w.peers[b] = newPeerConn(w, a, one), newPeerConn(w, b, other)
}

// inside is one end of a connection between two clients of this relay. What is written waits until
// the other end reads.
type inside struct {
	*io.PipeReader
	*io.PipeWriter
}

func newInside() (*inside, *inside) {
	r1, w1 := io.Pipe()
	r2, w2 := io.Pipe()
	return &inside{r1, w2}, &inside{r2, w1}
}

// CloseWrite tells the other end that nothing more will come.
func (i *inside) CloseWrite() error { return i.PipeWriter.Close() }

// Close ends both directions.
func (i *inside) Close() error {
	_ = i.PipeWriter.Close() // a pipe's Close has no error
	return i.PipeReader.Close()
}

// peerListener is a TCP relay socket.
type peerListener struct {
	w        *Worker
	listener *net.TCPListener
	local    netip.AddrPort
	family   turn.Family
}

// Listen implements [turn.Ports].
func (w *Worker) Listen(r *turn.Relay, f turn.Family) (turn.Opened, error) {
	network := "tcp4"
	if f == turn.IPv6 {
		network = "tcp6"
	}
	l := &peerListener{w: w, family: f}
	number, err := w.crew.pools[f-1].tcp.take(turn.Wish{}, func(number uint16) error {
		l.local = netip.AddrPortFrom(w.cfg.Relays[f-1].Bind, number)
		listener, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(l.local))
		if err != nil {
			return err
		}
		if err := sharePort(listener); err != nil {
			_ = listener.Close() // the first error says it all
			return err
		}
		l.listener = listener
		return nil
	})
	if err != nil {
		w.warnOfPorts("tcp", f, err)
		return turn.Opened{}, err
	}
	opened := w.opened(f, number)
	opened.Listener = l
	w.running.Go(func() { l.accept(r) })
	return opened, nil
}

// Close implements [turn.Listener]; the port is free when the lock is let go.
func (l *peerListener) Close() {
	l.w.later(func() {
		_ = l.listener.Close() // the port is free either way
		l.w.crew.pools[l.family-1].tcp.release(l.local.Port())
	})
}

// accept tells the engine of connections until the listener is closed.
func (l *peerListener) accept(r *turn.Relay) {
	var patience backoff
	for {
		conn, err := l.listener.AcceptTCP()
		if err != nil {
			if gone(err) {
				return
			}
			l.w.drop("accept-error")
			if !patience.wait(l.w.done) {
				patience = maxFailures - 1 // the allocation may live for long yet
			}
			continue
		}
		patience = 0
		peer := addrPortOf(conn.RemoteAddr())
		taken := false
		l.w.do(func(e *turn.Engine, now time.Time) {
			var id uint32
			if id, taken = e.Incoming(now, r, peer); taken {
				l.w.peers[id] = newPeerConn(l.w, id, conn)
			}
		})
		if !taken {
			_ = conn.Close() // the peer has nothing to expect
		}
	}
}

// Connect implements [turn.Listener].
func (l *peerListener) Connect(peer netip.AddrPort, id uint32) {
	p := newPeerConn(l.w, id, nil)
	l.w.peers[id] = p
	l.w.running.Go(func() { l.dial(peer, p) })
}

// dial connects to a peer and tells the engine how that went.
func (l *peerListener) dial(peer netip.AddrPort, p *peerConn) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-p.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	dialer := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(l.local), Control: sharePortOf}
	dialer.SetMultipathTCP(false)
	conn, err := dialer.DialContext(ctx, "tcp", peer.String())
	taken := false
	l.w.do(func(e *turn.Engine, now time.Time) {
		if err != nil {
			delete(l.w.peers, p.id)
			e.Failed(p.id)
			return
		}
		if taken = e.Connected(now, p.id); taken {
			p.stream = conn.(*net.TCPConn)
		}
	})
	if err == nil && !taken {
		_ = conn.Close() // nobody waits for it any more
	}
}
