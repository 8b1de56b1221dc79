package daemon

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lookEvery = 2 * time.Second // at the files; they are small, and reading them finds every kind of change
	maxPEM    = 1 << 20         // bytes of a file
)

// keyPair is a certificate and its key in files.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	mu      sync.Mutex
	seen    [sha256.Size]byte // guarded by mu; of the files when current was made
	fault   string            // guarded by mu; of the last look; "": none
	warned  string            // guarded by mu; the fault that was logged last
	expired bool              // guarded by mu; that current has is logged
}

func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.current.Load(), nil }

func (k *keyPair) names() []string { return k.current.Load().Leaf.DNSNames }

func (k *keyPair) covers(host string) bool { return k.current.Load().Leaf.VerifyHostname(host) == nil }

func (k *keyPair) protocols() []string { return nil }

func (k *keyPair) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.look()
		}
	}
}

func (k *keyPair) reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.load()
	if err != nil {
		k.fault, k.warned = err.Error(), err.Error() // the caller says it
	}
	return err
}

// look loads files that have changed. The two are not replaced at once, nor is one written at once: a fault counts when the
// next look finds it too.
func (k *keyPair) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.fault
	k.fault = ""
	if err := k.load(); err != nil {
		k.fault = err.Error()
		if k.fault == before && k.fault != k.warned {
			k.log.Warn("the certificate is not replaced by what is in the files", "error", err)
			k.warned = k.fault
		}
	}
	k.warnOfEnd(time.Now())
}

// load replaces the certificate by that in the files, if they have changed. k.mu is held.
func (k *keyPair) load() error {
	cert, err := readPEM(k.certFile, "--tls-cert")
	if err != nil {
		return err
	}
	key, err := readPEM(k.keyFile, "--tls-key")
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%d\n%s%s", len(cert), cert, key) // a hash takes everything
	if [sha256.Size]byte(sum.Sum(nil)) == k.seen {
		k.warned = ""
		return nil
	}
	certificate, err := tls.X509KeyPair(cert, key)
	switch block, _ := pem.Decode(key); {
	case err == nil:
	case !hasCertificate(cert):
		return fmt.Errorf("--tls-cert: there is no certificate in PEM in %s", k.certFile)
	case block == nil:
		return fmt.Errorf("--tls-key: there is no key in PEM in %s", k.keyFile)
	case hasReadableLeaf(cert):
		return fmt.Errorf("--tls-key: what is in %s is no key of the certificate in %s: %w", k.keyFile, k.certFile, err)
	default:
		return fmt.Errorf("--tls-cert: %s: %w", k.certFile, err)
	}
	if certificate.Leaf == nil { // GODEBUG=x509keypairleaf=0
		if certificate.Leaf, err = x509.ParseCertificate(certificate.Certificate[0]); err != nil {
			return fmt.Errorf("--tls-cert: %s: %w", k.certFile, err)
		}
	}
	first := k.current.Swap(&certificate) == nil
	k.seen, k.warned, k.expired = [sha256.Size]byte(sum.Sum(nil)), "", false
	if !first {
		k.log.Info("certificate replaced", "file", k.certFile, "names", certificate.Leaf.DNSNames, "until", certificate.Leaf.NotAfter)
	}
	k.warnOfEnd(time.Now())
	return nil
}

// warnOfEnd says once of a certificate that clients will not take it. k.mu is held.
func (k *keyPair) warnOfEnd(now time.Time) {
	leaf := k.current.Load().Leaf
	switch {
	case k.expired:
	case now.After(leaf.NotAfter):
		k.log.Warn("the certificate of --tls-cert has expired; clients will refuse it", "file", k.certFile, "until", leaf.NotAfter)
		k.expired = true
	case now.Before(leaf.NotBefore):
		k.log.Warn("the certificate of --tls-cert is not good yet; clients will refuse it", "file", k.certFile, "from", leaf.NotBefore)
		k.expired = true
	}
}

// readPEM reads a file that a flag names.
func readPEM(name, flag string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err // the name is in our own words
		}
		return nil, fmt.Errorf("%s: cannot read %s: %w", flag, name, err)
	}
	defer file.Close() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxPEM+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: cannot read %s: %w", flag, name, err)
	case len(text) > maxPEM:
		return nil, fmt.Errorf("%s: %s has over %d bytes", flag, name, maxPEM)
	}
	return text, nil
}

func hasCertificate(text []byte) bool { return firstCertificate(text) != nil }

// hasReadableLeaf says whether the first certificate can be read at all.
func hasReadableLeaf(text []byte) bool {
	_, err := x509.ParseCertificate(firstCertificate(text))
	return err == nil
}

// firstCertificate returns the first certificate in PEM; nil: there is none.
func firstCertificate(text []byte) []byte {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil || block.Type == "CERTIFICATE" {
			if block == nil {
				return nil
			}
			return block.Bytes
		}
	}
}
