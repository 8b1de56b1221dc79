package oneport

import (
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// dated is a plain connection that knows when it was accepted.
type dated struct {
	net.Conn
	since time.Time
}

// Since is when the connection was accepted: for [relay.Server.ServeConn].
func (d *dated) Since() time.Time { return d.since }

// CloseWrite ends what is sent.
func (d *dated) CloseWrite() error { return closeWrite(d.Conn) }

func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// secured is a connection over TLS from which a byte was read. Reading is for one goroutine at a time.
type secured struct {
	*tls.Conn
	since time.Time
	first []byte // what was read ahead
}

// Since is when the connection was accepted: for [relay.Server.ServeConn].
func (s *secured) Since() time.Time { return s.since }

// peek reads the first byte ahead.
func (s *secured) peek() (byte, error) {
	first := make([]byte, 1)
	if _, err := s.Conn.Read(first); err != nil {
		return 0, err
	}
	s.first = first
	return first[0], nil
}

// Read implements net.Conn.
func (s *secured) Read(b []byte) (int, error) {
	if len(s.first) > 0 && len(b) > 0 {
		n := copy(b, s.first)
		s.first = nil
		return n, nil
	}
	return s.Conn.Read(b)
}

// ahead is a connection of which a byte was read, where none can be looked at without that.
type ahead struct {
	net.Conn
	first []byte // what was read ahead
}

// CloseWrite ends what is sent.
func (a *ahead) CloseWrite() error { return closeWrite(a.Conn) }

// Read implements net.Conn.
func (a *ahead) Read(b []byte) (int, error) {
	if len(a.first) > 0 && len(b) > 0 {
		n := copy(b, a.first)
		a.first = nil
		return n, nil
	}
	return a.Conn.Read(b)
}

// peek returns the first byte of a connection, and a connection that begins with it: the same one, if it is a TCP
// socket and nothing else, so that those who know how to wait on sockets still can.
func peek(conn net.Conn) (byte, net.Conn, error) {
	plain, _ := conn.(*net.TCPConn)
	if c, is := conn.(interface{ PlainTCP() *net.TCPConn }); is {
		plain = c.PlainTCP()
	}
	if plain != nil && canPeek {
		first, err := peekSocket(plain)
		return first, conn, err
	}
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil {
		return 0, conn, err
	}
	return first[0], &ahead{Conn: conn, first: first}, nil
}
