package oneport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/acme"
)

// recordHandshake is the first byte of TLS (RFC 8446 section 5.1).
const recordHandshake = 0x16

// decide finds out what a connection speaks, and passes it on or closes it.
func (p *Port) decide(c *candidate) {
	deadline := c.since.Add(p.cfg.Patience)
	conn, protocol, refusal := p.find(c, deadline)
	switch stays := p.end(c); {
	case !stays:
	case refusal != "":
		p.counts.refuse(refusal)
	case conn.SetDeadline(time.Time{}) != nil: // closed meanwhile
		p.counts.refuse("closed")
	case protocol == "http" || protocol == "https":
		if p.http.give(conn, deadline) {
			p.counts.accept(protocol)
			conn = nil
		}
	default:
		p.counts.accept(protocol)
		p.deciding.Done() // from here on it is the relay's
		p.cfg.Turn(conn)
		return
	}
	if conn != nil {
		_ = conn.Close() // nothing was said on it
	}
	p.deciding.Done()
}

// find waits for the byte that says what a connection speaks: http, https, turn or turns. If it is none that is
// spoken here, refusal says why, and conn is what to close.
func (p *Port) find(c *candidate, deadline time.Time) (conn net.Conn, protocol, refusal string) {
	if err := c.conn.SetDeadline(deadline); err != nil {
		return c.conn, "", "closed"
	}
	first, conn, err := peek(c.conn)
	switch {
	case err != nil:
		return conn, "", reasonOf(err)
	case first == recordHandshake && p.cfg.TLS == nil:
		return conn, "", "no-tls"
	case first == recordHandshake:
		return p.findSecured(conn, c.since, deadline)
	case isHTTP(first):
		return conn, "http", ""
	case !isSTUN(first):
		return conn, "", "first-byte"
	case p.cfg.Turn == nil:
		return conn, "", "no-turn"
	}
	return &dated{Conn: conn, since: c.since}, "turn", ""
}

// findSecured is find for what is inside of TLS.
func (p *Port) findSecured(raw net.Conn, since, deadline time.Time) (conn net.Conn, protocol, refusal string) {
	if p.cfg.Below != nil {
		raw = p.cfg.Below(raw)
	}
	secured := &secured{Conn: tls.Server(raw, p.cfg.TLS), since: since}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		return raw, "", "tls-handshake"
	}
	if secured.ConnectionState().NegotiatedProtocol == acme.ALPNProto {
		return secured, "", "acme" // the handshake was all that was asked for
	}
	first, err := secured.peek()
	switch {
	case err != nil:
		return raw, "", "tls-" + reasonOf(err)
	case isHTTP(first):
		return secured, "https", ""
	case !isSTUN(first):
		return secured, "", "tls-first-byte"
	case p.cfg.Turn == nil:
		return secured, "", "no-turn"
	}
	return secured, "turns", ""
}

func isSTUN(first byte) bool { return first <= 3 }

func isHTTP(first byte) bool { return 'A' <= first && first <= 'Z' || 'a' <= first && first <= 'z' }

// reasonOf is why no byte came.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "silent"
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return "closed"
	}
	return "read-error"
}
