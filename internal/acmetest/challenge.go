package acmetest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/acme"
)

// dialTime is how long a host may take to show that a name is its own.
const dialTime = 10 * time.Second

// identifier is the extension that has the proof (RFC 8737 section 6.1).
var identifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}

// challenge has the account prove the name (RFC 8555 section 7.5.1).
func (a *Authority) challenge(r *http.Request, o *order, _ []byte) (any, error) {
	a.mu.Lock()
	token, domain, key := o.token, o.domain, a.accounts[o.account]
	a.mu.Unlock()
	thumbprint, err := acme.JWKThumbprint(key)
	if err != nil {
		return nil, err
	}
	fault := prove(r.Context(), a.locate(domain), domain, token+"."+thumbprint)
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.status = "valid"; fault != nil {
		o.status = "invalid"
		a.faults = append(a.faults, fault.Error())
	}
	return a.shownChallenge(r.PathValue("number"), o), nil
}

// prove connects to the host and looks at what it shows (RFC 8737 section 3).
func prove(ctx context.Context, addr, domain, authorization string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{
		ServerName: domain, NextProtos: []string{acme.ALPNProto}, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, // it is signed by itself
	}}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	leaf := state.PeerCertificates[0]
	switch {
	case state.NegotiatedProtocol != acme.ALPNProto:
		return fmt.Errorf("the protocol is %q, not %s", state.NegotiatedProtocol, acme.ALPNProto)
	case !slices.Equal(leaf.DNSNames, []string{domain}):
		return fmt.Errorf("the certificate is for %v, not %s", leaf.DNSNames, domain)
	}
	sum := sha256.Sum256([]byte(authorization))
	want, err := asn1.Marshal(sum[:])
	if err != nil {
		return err
	}
	for _, extension := range leaf.Extensions {
		if extension.Id.Equal(identifier) && extension.Critical && slices.Equal(extension.Value, want) {
			return nil
		}
	}
	return errors.New("the certificate has no proof, or a wrong one")
}
