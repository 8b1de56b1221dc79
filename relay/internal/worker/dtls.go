package worker

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
)

// isDTLS reports whether a datagram with this first byte is DTLS (RFC 7983 section 7).
func isDTLS(first byte) bool { return first >= 20 && first <= 63 }

// isClientHello reports whether a datagram begins a DTLS handshake: a handshake record of epoch 0
// with a ClientHello inside (RFC 6347 section 4.1).
func isClientHello(p []byte) bool {
	const record = 13 // its header
	return len(p) > record && p[0] == 22 && p[1] == 0xfe && p[3] == 0 && p[4] == 0 && p[record] == 1
}

// isPlain reports whether a DTLS datagram begins with a record of a handshake's first part, which is not encrypted.
func isPlain(p []byte) bool { return len(p) > 4 && p[3] == 0 && p[4] == 0 }

// dtlsServer is what all DTLS sessions have in common.
type dtlsServer struct {
	options  []dtls.ServerOption // nil: there are none
	most     int64
	halfOpen atomic.Int64
}

func (s *dtlsServer) enabled() bool { return s.options != nil }

func (s *dtlsServer) init(settings Settings) {
	s.most = int64(settings.HalfOpen)
	if settings.GetCertificate == nil {
		return
	}
	s.options = []dtls.ServerOption{
		dtls.WithGetCertificate(forDTLS(settings.GetCertificate)),
		dtls.WithLoggerFactory(&logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}),
	}
}

// forDTLS adapts a source of certificates.
func forDTLS(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*dtls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *dtls.ClientHelloInfo) (*tls.Certificate, error) {
		info := &tls.ClientHelloInfo{ServerName: hello.ServerName, SupportedVersions: []uint16{tls.VersionTLS12}}
		for _, id := range hello.CipherSuites {
			info.CipherSuites = append(info.CipherSuites, uint16(id))
		}
		certificate, err := get(info)
		if err != nil && hello.ServerName == "" && len(hello.CipherSuites) == 0 {
			return nil, nil // not a client's hello yet: the question is whether there is a default
		}
		return certificate, err
	}
}

// handshake returns the connection, or nil if there is none in time.
func (s *session) handshake() (*dtls.Conn, time.Time) {
	w := s.l.w
	defer w.crew.dtls.halfOpen.Add(-1)
	began := time.Now()
	conn, err := dtls.ServerWithOptions(s.wire, s.wire.remote, w.crew.dtls.options...)
	if err != nil {
		w.drop("dtls-handshake")
		return nil, began
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.cfg.Patience)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			w.drop("dtls-handshake-timeout")
		} else {
			w.drop("dtls-handshake")
		}
		_ = s.wire.Close()
		return nil, began
	}
	return conn, began
}

// readDatagrams feeds the engine until the session ends.
func (c *client) readDatagrams() {
	buf := make([]byte, maxRecord)
	c.wait()
	for {
		n, err := c.conn.Read(buf)
		switch {
		case err == nil:
			c.feed(buf[:n])
		case errors.Is(err, os.ErrDeadlineExceeded) || timedOut(err):
			if !c.stays(false) {
				return
			}
			c.wait()
		default:
			return
		}
	}
}

// maxRecord is the size of the largest payload of a record (RFC 6347 section 4.1).
const maxRecord = 1 << 14

// timedOut reports whether an error says so in the way of package net.
func timedOut(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}
