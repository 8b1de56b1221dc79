package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pion/dtls/v3"
)

// soon is how near the end of a certificate is a reason to warn.
const soon = 14 * 24 * time.Hour

func (c *check) connectTCP(s *Step) {
	s.Name = "TCP connect"
	ctx, cancel := c.bounded()
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr.String())
	if err != nil {
		cure := "a firewall drops TCP to port " + strconv.Itoa(c.URI.Port) + ", or the host is down"
		if isRefused(err) {
			cure = "nothing listens on port " + strconv.Itoa(c.URI.Port) + " there; is the relay running, and with --listen-tcp or --listen-tls?"
		}
		s.fail(err, cure)
		return
	}
	c.first = New(conn, true)
}

// greet does the handshake of TLS or DTLS; without one it opens the UDP socket and tells nothing.
func (c *check) greet(s *Step) {
	ctx, cancel := c.bounded()
	defer cancel()
	switch {
	case c.secureStream():
		s.Name = "TLS handshake"
		conn := tls.Client(c.first.conn, c.tls())
		if err := conn.HandshakeContext(ctx); err != nil {
			s.fail(err, c.handshakeCure(err))
			return
		}
		c.first = New(conn, true)
		state := conn.ConnectionState()
		c.judgeCertificate(s, tls.VersionName(state.Version), state.PeerCertificates)
	case c.URI.IsSecure():
		s.Name = "DTLS handshake"
		conn, err := c.dialDTLS(ctx)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = ErrSilent
			}
			s.fail(err, c.handshakeCure(err))
			return
		}
		c.first = New(conn, false)
		var chain []*x509.Certificate
		if state, ok := conn.ConnectionState(); ok {
			for _, raw := range state.PeerCertificates {
				if parsed, err := x509.ParseCertificate(raw); err == nil {
					chain = append(chain, parsed)
				}
			}
		}
		c.judgeCertificate(s, "DTLS 1.2", chain)
	case c.first == nil:
		conn, err := (&net.Dialer{}).DialContext(ctx, "udp", c.addr.String())
		if err != nil {
			s.Name = "UDP socket"
			s.fail(err, "this host has no route there")
			return
		}
		c.first = New(conn, false)
	}
}

// speaksTLS says that TLS is spoken at the server's port, with whatever certificate.
func (c *check) speaksTLS() bool {
	ctx, cancel := c.bounded()
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{ServerName: c.URI.Host, InsecureSkipVerify: true}} // nothing is said there
	conn, err := dialer.DialContext(ctx, "tcp", c.addr.String())
	if err == nil {
		_ = conn.Close() // it was of no more use
	}
	return err == nil
}

// tls returns what TLS is spoken with.
func (c *check) tls() *tls.Config {
	return &tls.Config{ServerName: c.URI.Host, InsecureSkipVerify: c.Insecure, NextProtos: []string{"stun.turn"}}
}

func (c *check) dialDTLS(ctx context.Context) (*dtls.Conn, error) {
	socket, err := (&net.Dialer{}).DialContext(ctx, "udp", c.addr.String())
	if err != nil {
		return nil, err
	}
	conn, err := dtls.ClientWithOptions(dtlsSocket{socket.(*net.UDPConn)}, socket.RemoteAddr(),
		dtls.WithServerName(c.URI.Host), dtls.WithInsecureSkipVerify(c.Insecure))
	if err == nil {
		if err = conn.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // it was of no use
		}
	}
	if err != nil {
		_ = socket.Close() // as above
		return nil, err
	}
	return conn, nil
}

// dtlsSocket is a connected socket as one that is told where to send.
type dtlsSocket struct{ *net.UDPConn }

// WriteTo implements net.PacketConn.
func (s dtlsSocket) WriteTo(p []byte, _ net.Addr) (int, error) { return s.Write(p) }

// judgeCertificate says whom the certificate is for and how long it is good.
func (c *check) judgeCertificate(s *Step, version string, chain []*x509.Certificate) {
	s.Found = version
	if len(chain) == 0 {
		return
	}
	leaf := chain[0]
	names := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	left := time.Until(leaf.NotAfter)
	s.Found = fmt.Sprintf("%s, certificate for %s, good until %s", version, strings.Join(names, ", "), leaf.NotAfter.UTC().Format(time.DateOnly))
	switch {
	case left < 0:
		s.Warning = "the certificate has expired; clients will refuse it"
	case left < soon:
		s.Warning = fmt.Sprintf("the certificate expires in %.1f days", left.Hours()/24)
	}
}

// handshakeCure says what is probably wrong with a handshake.
func (c *check) handshakeCure(err error) string {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired, strings.Contains(err.Error(), "has expired or is not yet valid"):
		return "the certificate has expired, or a clock is wrong: renew it"
	case errors.As(err, &name):
		return "the certificate is for another name than the URL's: clients are told the wrong one, or the certificate lacks this one"
	case errors.As(err, &authority):
		return "the certificate does not lead to a root that is known here: the file needs the intermediate ones as well; --insecure takes test certificates"
	case errors.As(err, &record):
		return "what listens there does not speak TLS: does the URL mean turn:…?transport=tcp, or is the certificate missing?"
	case isRefused(err):
		return "nothing listens on port " + strconv.Itoa(c.URI.Port) + " there"
	case errors.Is(err, ErrSilent):
		return "a firewall drops UDP, nothing listens there, or the relay has no certificate (--tls-cert)"
	}
	return "the relay has no certificate that it could show, or speaks no version in common"
}

// isRefused says that nobody listens.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// another opens one more connection to the server, as the first one was.
func (c *check) another() (*Client, error) {
	twin := &check{Target: c.Target, ctx: c.ctx, addr: c.addr}
	steps := []func(*Step){twin.greet}
	if c.stream() {
		steps = []func(*Step){twin.connectTCP, twin.greet}
	}
	for _, run := range steps {
		var s Step
		if run(&s); s.Err != nil {
			twin.close()
			return nil, s.Err
		}
	}
	return twin.first, nil
}
