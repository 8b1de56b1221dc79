package oneport

import (
	"cmp"
	"container/list"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// Config says what a port speaks. HTTP it always does.
type Config struct {
	// TLS is for connections that begin with TLS. Nil: there is none.
	TLS *tls.Config
	// Turn serves a connection that speaks TURN, and closes it. Nil: there is none.
	Turn func(net.Conn)
	// Below returns what is laid between a connection and TLS. Nil: nothing is.
	Below func(net.Conn) net.Conn
	// Patience is how long a connection may take to show what it speaks, the handshake of TLS included. Default 10 s.
	Patience time.Duration
	// Undecided is how many connections may not have shown it yet; more close the oldest of them. Default 4096.
	Undecided int
}

// Port is a listener whose connections are told apart.
type Port struct {
	cfg      Config
	listener net.Listener
	http     httpListener
	done     chan struct{} // closed by Close
	closing  sync.Once
	deciding sync.WaitGroup
	counts   counts

	mu        sync.Mutex
	undecided list.List // guarded by mu; of *candidate, the oldest first
	closed    bool      // guarded by mu
}

// candidate is a connection that has not shown yet what it speaks.
type candidate struct {
	conn    net.Conn
	since   time.Time
	place   *list.Element
	evicted bool // guarded by the port's mu
}

// New returns a port that serves nothing yet. Close closes l, too.
func New(l net.Listener, cfg Config) *Port {
	cfg.Patience = cmp.Or(cfg.Patience, 10*time.Second)
	cfg.Undecided = cmp.Or(cfg.Undecided, 4096)
	p := &Port{cfg: cfg, listener: l, done: make(chan struct{})}
	p.http = httpListener{addr: l.Addr(), conns: make(chan net.Conn), done: make(chan struct{})}
	return p
}

// HTTP returns the listener for what speaks HTTP, over TLS or not; [Context] and [Handler] are for its server. Closing it
// leaves the port to TURN.
func (p *Port) HTTP() net.Listener { return &p.http }

// longestPause is how long accepting rests after it failed again and again.
const longestPause = time.Second

// Serve accepts connections until that fails for good or Close is called; then it returns [net.ErrClosed]. Running out of
// file descriptors is no reason to end: connections time out.
func (p *Port) Serve() error {
	defer p.Close() // has no error that is not told
	pause := time.Duration(0)
	for {
		conn, err := p.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			p.begin(conn)
			continue
		case errors.Is(err, net.ErrClosed):
			return net.ErrClosed
		case !temporary(err):
			return err
		}
		p.counts.refuse("accept-error")
		pause = min(max(2*pause, 5*time.Millisecond), longestPause)
		rest := time.NewTimer(pause)
		select {
		case <-p.done:
		case <-rest.C:
		}
		rest.Stop()
	}
}

// temporary reports whether accepting may succeed later.
func temporary(err error) bool {
	var op net.Error
	return errors.As(err, &op) && op.Temporary() //nolint:staticcheck // it says what it is asked here: EMFILE and the like
}

// begin has a connection show what it speaks.
func (p *Port) begin(conn net.Conn) {
	c := &candidate{conn: conn, since: time.Now()}
	var oldest *candidate
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		_ = conn.Close() // nothing was said on it
		return
	}
	if p.undecided.Len() >= p.cfg.Undecided {
		oldest = p.undecided.Remove(p.undecided.Front()).(*candidate)
		oldest.evicted = true
	}
	c.place = p.undecided.PushBack(c)
	p.deciding.Add(1)
	p.mu.Unlock()
	if oldest != nil {
		_ = oldest.conn.Close() // as above
	}
	go p.decide(c)
}

// end takes a candidate from the list, and reports whether it is still to be served.
func (p *Port) end(c *candidate) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.evicted {
		p.counts.refuse("crowded")
		return false
	}
	p.undecided.Remove(c.place)
	return !p.closed
}

// Close closes the listener and every connection that has not shown yet what it speaks. What is served already is
// for those to close who serve it.
func (p *Port) Close() error {
	var err error
	p.closing.Do(func() {
		close(p.done)
		err = p.listener.Close()
		p.mu.Lock()
		p.closed = true
		for e := p.undecided.Front(); e != nil; e = e.Next() {
			_ = e.Value.(*candidate).conn.Close() // nothing was said on it
		}
		p.mu.Unlock()
		_ = p.http.Close() // has no error
	})
	p.deciding.Wait()
	return err
}

// httpListener is the part of a port that speaks HTTP.
type httpListener struct {
	addr    net.Addr
	conns   chan net.Conn
	done    chan struct{}
	closing sync.Once
}

// Accept implements net.Listener.
func (l *httpListener) Accept() (net.Conn, error) {
	select {
	case <-l.done: // first, for conns may be ready as well
		return nil, net.ErrClosed
	default:
	}
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *httpListener) Close() error {
	l.closing.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *httpListener) Addr() net.Addr { return l.addr }

// give passes a connection on to whoever accepts; false: nobody does, or not in time.
func (l *httpListener) give(conn net.Conn, deadline time.Time) bool {
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	select {
	case l.conns <- conn:
		return true
	case <-l.done:
	case <-late.C:
	}
	return false
}
