package worker

import (
	"sync"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// sessions are the DTLS sessions of one listener.
type sessions struct {
	mu     sync.Mutex
	byAddr map[pair]*session // guarded by mu
	closed bool              // guarded by mu
	served sync.WaitGroup
}

// session is a DTLS client.
type session struct {
	l    *listener
	addr pair
	wire *wire

	established bool     // guarded by sessions.mu; the handshake is done
	next        *session // guarded by sessions.mu; that takes over when its handshake is done, of a client that has started anew
}

// handOver gives a datagram to its session, or begins one.
func (l *listener) handOver(p []byte, from pair) {
	l.sessions.mu.Lock()
	s := l.sessions.byAddr[from]
	var next *session
	switch {
	case s == nil:
		s = l.begin(p, from)
		if s != nil {
			l.sessions.byAddr[from] = s
		}
	case s.next == nil && s.established && isClientHello(p):
		s.next = l.begin(p, from)
		s, next = nil, s.next
	case s.next != nil && isPlain(p):
		s, next = nil, s.next
	default: // what is encrypted shows by itself whose it is
		next = s.next
	}
	l.sessions.mu.Unlock()
	for _, s := range []*session{s, next} {
		if s != nil && !s.wire.arrived(p) {
			l.w.drop("dtls-queue-full")
		}
	}
}

// begin begins a session with a ClientHello. The one before at this address goes on until the new one is established:
// anybody can send a ClientHello (RFC 6347 section 4.2.8). l.sessions.mu is held.
func (l *listener) begin(p []byte, from pair) *session {
	w := l.w
	switch {
	case l.sessions.closed:
		return nil
	case !isClientHello(p):
		w.drop("dtls-no-session")
		return nil
	case w.crew.dtls.halfOpen.Add(1) > w.crew.dtls.most:
		w.crew.dtls.halfOpen.Add(-1)
		w.drop("dtls-half-open")
		return nil
	}
	s := &session{l: l, addr: from, wire: newWire(l, from)}
	l.sessions.served.Go(s.serve)
	return s
}

// establish makes a session the one of its address, and ends the one before. It returns false if all are to end.
func (s *session) establish() bool {
	of := &s.l.sessions
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.closed {
		return false
	}
	s.established = true
	if before := of.byAddr[s.addr]; before != s {
		of.byAddr[s.addr] = s
		before.next = nil
		_ = before.wire.Close() // it has no error
	}
	return true
}

// leave forgets a session. One that was to take over does so.
func (s *session) leave() {
	of := &s.l.sessions
	of.mu.Lock()
	defer of.mu.Unlock()
	switch current := of.byAddr[s.addr]; {
	case current == s && s.next != nil:
		of.byAddr[s.addr] = s.next
	case current == s:
		delete(of.byAddr, s.addr)
	case current != nil && current.next == s:
		current.next = nil
	}
}

// serve does the handshake and then serves the client until it is gone.
func (s *session) serve() {
	w := s.l.w
	defer func() {
		_ = s.wire.Close() // it has no error
		s.leave()
	}()
	conn, began := s.handshake()
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }() // whatever is lost was too late
	if !s.establish() {
		return
	}
	c := w.admit(conn, s.wire, s.addr.client, turn.DTLS)
	if c == nil {
		return
	}
	c.began = began
	defer w.dismiss(c)
	s.l.sessions.served.Go(c.write)
	c.readDatagrams()
	c.finish()
}

// close ends the sessions and waits for them.
func (s *sessions) close() {
	s.mu.Lock()
	s.closed = true
	for _, session := range s.byAddr {
		_ = session.wire.Close() // it has no error
		if session.next != nil {
			_ = session.next.wire.Close()
		}
	}
	s.mu.Unlock()
	s.served.Wait()
}
