package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// proxyFor returns the HTTP proxy for the server; nil: none.
func (x *examination) proxyFor() *url.URL {
	if x.Proxy == nil {
		return nil
	}
	proxy, err := x.Proxy(x.base)
	if err != nil {
		return nil // it shows with the first request
	}
	return proxy
}

// why says in words why a request got no answer, and what helps.
func (x *examination) why(err error) (cause, cure string) {
	at := x.base.Host
	proxy := x.proxyFor()
	if op, ok := errors.AsType[*net.OpError](err); proxy != nil && ok && (op.Op == "proxyconnect" || op.Op == "dial") {
		return fmt.Sprintf("the HTTP proxy %s cannot be reached: %s", proxy.Host, plain(err)),
			"is HTTP_PROXY or HTTPS_PROXY right, and the proxy running? NO_PROXY=" + x.base.Hostname() + " goes around it"
	}
	if proxy != nil && !errors.Is(err, context.DeadlineExceeded) && !certificateFault(err) {
		return fmt.Sprintf("the HTTP proxy %s does not let it through: %s", proxy.Host, plain(err)),
			"have the proxy allow CONNECT to " + at + ", or go around it by NO_PROXY=" + x.base.Hostname()
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("the name %s is not found: %s", x.base.Hostname(), plain(err)), "is the URL right, and does this network's DNS know it?"
	}
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		return "the certificate is for another name: " + plain(err), "use the name of the certificate, or have one made for this name (--acme-domain, --tls-cert)"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired, strings.Contains(err.Error(), "has expired or is not yet valid"):
		return "the certificate has expired, or this host's clock is wrong: " + plain(err), "renew the certificate, and check the clock"
	case errors.As(err, &authority):
		return "the certificate is signed by nobody this host knows: the server's own, or that of a proxy that reads TLS",
			"serve the whole chain of the certificate; --insecure takes any, for tests"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "what listens there does not speak TLS", "write http:// instead of https://, or give the server a certificate (--tls-cert, --acme-domain)"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + at, "is the server running, and on this port?"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way to " + at + ": " + plain(err), "is this host connected to a network?"
	case isTimeout(err):
		return "no answer from " + at, "a firewall drops what is sent there, or the server is down"
	case isCut(err) && x.base.Scheme == "https":
		return "the connection is closed when TLS begins: what listens there does not speak TLS, or something on the way cuts it",
			"write http:// instead of https://, or give the server a certificate (--tls-cert, --acme-domain)"
	case isCut(err):
		return "the connection was closed before an answer came", "something on the way cuts it: a firewall or a proxy; is the scheme, http or https, right?"
	}
	return plain(err), "is the URL right?"
}

func certificateFault(err error) bool {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return verification || record
}

// isTimeout says that nothing came in time.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || ok && timeout.Timeout()
}

// isCut says that a connection ended that should not have.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// plain is an error without the request's URL, which may have a session in it, and without what more than one line has.
func plain(err error) string {
	if at, ok := errors.AsType[*url.Error](err); ok {
		err = at.Err
	}
	text, _, _ := strings.Cut(err.Error(), " (possibly because") // of roots that were tried
	return strings.ReplaceAll(text, "\n", "; ")
}
