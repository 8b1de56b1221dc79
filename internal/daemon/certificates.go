package daemon

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"sync"
)

// Certificates are where the certificate for TLS and DTLS comes from. All methods may be called concurrently.
type Certificates struct {
	source certificateSource
}

type certificateSource interface {
	get(*tls.ClientHelloInfo) (*tls.Certificate, error)
	reload() error
	watch(ctx context.Context)
	names() []string // that the certificate is for, the chief one first
	covers(host string) bool
	protocols() []string // of ALPN, that the source answers itself
}

// GetCertificate returns the certificate for a client. It is for [tls.Config] and for DTLS: a hello may say nothing at all.
func (c *Certificates) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.source.get(hello)
}

// Reload reads the files again, at once. After an error, which names the file, the certificate is the one that it was.
func (c *Certificates) Reload() error { return c.source.reload() }

// Watch keeps the certificate up to date until ctx ends: files are read again when they change, and what an authority
// makes is ordered and renewed. Connections that are open go on with the certificate that they have.
func (c *Certificates) Watch(ctx context.Context) { c.source.watch(ctx) }

// Watched watches on a goroutine of its own, until stop is called, which waits for it. There may be nothing to watch: c may be nil.
func (c *Certificates) Watched() (stop func()) {
	if c == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { c.Watch(ctx) })
	return func() {
		cancel()
		watching.Wait()
	}
}

// Name returns a host name that the certificate is for; "": it is for none.
func (c *Certificates) Name() string {
	for _, name := range c.source.names() {
		if checkDomain(name) == nil {
			return name
		}
	}
	return ""
}

// Named says whether a host name is one of those that the certificate is for; a wildcard's are not.
func (c *Certificates) Named(host string) bool {
	host = strings.ToLower(host)
	return checkDomain(host) == nil && slices.ContainsFunc(c.source.names(), func(name string) bool { return strings.EqualFold(name, host) })
}

// Covers says whether clients that connect to a host, by its name or its address, take the certificate for the host's.
func (c *Certificates) Covers(host string) bool { return c.source.covers(host) }

// TLS returns the configuration of a listener that speaks the protocols, by their names of ALPN (RFC 7301). A client
// that offers only other names is served as if it offered none; it would be refused else.
func (c *Certificates) TLS(protocols ...string) *tls.Config {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     slices.Concat(protocols, c.source.protocols()),
		GetCertificate: c.GetCertificate,

		DynamicRecordSizingDisabled: true, // a relay's packet is to be one record
	}
	nameless := config.Clone()
	nameless.NextProtos = nil
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.ContainsFunc(hello.SupportedProtos, func(name string) bool { return slices.Contains(config.NextProtos, name) }) {
			return nil, nil
		}
		return nameless, nil
	}
	return config
}
