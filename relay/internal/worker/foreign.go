package worker

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"os"
)

// verbs are what HTTP begins with; PRI is version 2's.
var verbs = [][]byte{
	[]byte("GET "), []byte("HEAD "), []byte("POST "), []byte("PUT "), []byte("DELETE "), []byte("OPTIONS "),
	[]byte("CONNECT "), []byte("PATCH "), []byte("TRACE "), []byte("PRI "),
}

// isHTTP reports whether a stream that begins so is HTTP, as far as can be told.
func isHTTP(p []byte) bool {
	for _, verb := range verbs {
		if n := min(len(p), len(verb)); n > 0 && bytes.Equal(p[:n], verb[:n]) {
			return true
		}
	}
	return false
}

// isTLS reports whether a stream that begins so is TLS: a handshake record of any version.
func isTLS(p []byte) bool { return len(p) > 0 && p[0] == 22 && (len(p) == 1 || p[1] == 3) }

// misframed names what a stream is that is not TURN. First says that nothing came before p.
func misframed(p []byte, first, secure bool) string {
	switch {
	case first && isHTTP(p):
		return "http"
	case first && isTLS(p) && !secure:
		return "tls-on-plain-port"
	}
	return "stream-framing"
}

// unshaken names why a TLS handshake failed.
func unshaken(err error) string {
	var header tls.RecordHeaderError
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		return "tls-handshake-timeout"
	case !errors.As(err, &header):
	case isHTTP(header.RecordHeader[:]):
		return "http-on-tls-port"
	case header.RecordHeader[0] <= 3: // as STUN begins
		return "plain-on-tls-port"
	}
	return "tls-handshake"
}
