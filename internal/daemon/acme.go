package daemon

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

const (
	freshEvery   = time.Minute     // how soon a renewed certificate is in use
	firstRetry   = 2 * time.Minute // after an order failed; autocert has the same answer for a minute
	longestRetry = time.Hour       // of retries, which become rarer: authorities count failures
	acmeTime     = 2 * time.Minute // for each request
)

// acmeSource has certificates made by an authority (RFC 8555), which connects to this host's TLS to see that the
// name is its own (tls-alpn-01, RFC 8737). They are ordered and renewed beside the connections of clients,
// which never wait for it, and never have one ordered: a name that no flag has gets the first one's certificate.
type acmeSource struct {
	manager *autocert.Manager
	calls   *endable
	domains []*acmeDomain // the first is the default
	log     *slog.Logger
}

// acmeDomain is one name and what there is for it.
type acmeDomain struct {
	name    string
	current atomic.Pointer[tls.Certificate] // nil: none yet
}

func newACME(domains []string, cache, email, directory string, log *slog.Logger) *acmeSource {
	s := &acmeSource{calls: &endable{transport: http.DefaultTransport.(*http.Transport).Clone()}, log: log}
	for _, name := range domains {
		s.domains = append(s.domains, &acmeDomain{name: name})
	}
	s.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(cache),
		HostPolicy: autocert.HostWhitelist(domains...),
		Email:      email,
		Client: &acme.Client{
			DirectoryURL: cmp.Or(directory, autocert.DefaultACMEDirectory),
			HTTPClient:   &http.Client{Transport: s.calls, Timeout: acmeTime},
			UserAgent:    "parley",
		},
	}
	return s
}

func (s *acmeSource) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if slices.Equal(hello.SupportedProtos, s.protocols()) {
		return s.manager.GetCertificate(hello) // the authority, who looks for its token
	}
	domain := s.domains[0]
	if i := slices.IndexFunc(s.domains, func(d *acmeDomain) bool {
		return strings.EqualFold(d.name, strings.TrimSuffix(hello.ServerName, "."))
	}); i >= 0 {
		domain = s.domains[i]
	}
	certificate := domain.current.Load()
	if certificate == nil {
		return nil, fmt.Errorf("there is no certificate for %s yet", domain.name)
	}
	return certificate, nil
}

func (s *acmeSource) reload() error { return nil }

func (s *acmeSource) names() []string {
	var names []string
	for _, d := range s.domains {
		names = append(names, d.name)
	}
	return names
}

func (s *acmeSource) covers(host string) bool {
	return slices.ContainsFunc(s.domains, func(d *acmeDomain) bool { return strings.EqualFold(d.name, host) })
}

func (s *acmeSource) protocols() []string { return []string{acme.ALPNProto} }

func (s *acmeSource) watch(ctx context.Context) {
	stop := s.calls.endWith(ctx)
	defer stop()
	// Names come one after the other: an authority limits how many orders are open, and there are few.
	retry := make([]time.Duration, len(s.domains))
	next := make([]time.Time, len(s.domains))
	for ctx.Err() == nil {
		soonest := time.Now().Add(freshEvery)
		for i, d := range s.domains {
			if now := time.Now(); !next[i].After(now) {
				retry[i] = s.refresh(ctx, d, retry[i])
				next[i] = time.Now().Add(cmp.Or(retry[i], freshEvery))
			}
			if next[i].Before(soonest) {
				soonest = next[i]
			}
		}
		pause := time.NewTimer(time.Until(soonest))
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// refresh has the certificate of a name made if there is none, and takes a renewed one into use. It returns
// how long to wait before the next try if that failed, else 0.
func (s *acmeSource) refresh(ctx context.Context, d *acmeDomain, retry time.Duration) time.Duration {
	type answer struct {
		certificate *tls.Certificate
		err         error
	}
	answered := make(chan answer, 1)
	go func() { // not waited for if ctx ends first; its requests fail from then on, and so it ends soon
		certificate, err := s.manager.GetCertificate(&tls.ClientHelloInfo{
			ServerName: d.name, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		})
		answered <- answer{certificate, err}
	}()
	var got answer
	select {
	case <-ctx.Done():
		return 0
	case got = <-answered:
	}
	if got.err != nil {
		retry = min(max(2*retry, firstRetry), longestRetry)
		s.log.Warn("no certificate could be had", "flag", "--acme-domain", "domain", d.name, "error", got.err, "retry_in", retry)
		return retry
	}
	before := d.current.Swap(got.certificate)
	if before == nil || !slices.EqualFunc(before.Certificate, got.certificate.Certificate, slices.Equal[[]byte]) {
		s.log.Info("certificate in use", "domain", d.name, "until", got.certificate.Leaf.NotAfter)
	}
	return 0
}

// endable makes HTTP requests that fail once a context has ended, whatever their own says: autocert takes none.
type endable struct {
	transport *http.Transport
	until     atomic.Pointer[context.Context]
}

var errEnded = errors.New("the program is stopping")

// endWith has requests fail when ctx ends.
func (e *endable) endWith(ctx context.Context) (stop func()) {
	e.until.Store(&ctx)
	return e.transport.CloseIdleConnections
}

// RoundTrip implements http.RoundTripper.
func (e *endable) RoundTrip(r *http.Request) (*http.Response, error) {
	until := e.until.Load()
	if until == nil || (*until).Err() != nil {
		return nil, errEnded
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(*until, func() { cancel(errEnded) })
	context.AfterFunc(r.Context(), func() { stop() }) // autocert ends it when an order is done
	return e.transport.RoundTrip(r.WithContext(ctx))
}
