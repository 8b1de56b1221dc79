// Package acmetest is a certificate authority on loopback that speaks as much of ACME (RFC 8555) as it
// takes to prove a name by tls-alpn-01 (RFC 8737) and have a certificate for it. It really connects to the host that
// asks, and checks what that shows. It is for tests.
package acmetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Authority is the certificate authority.
type Authority struct {
	t      testing.TB
	http   *httptest.Server
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	locate func(domain string) string

	mu       sync.Mutex
	nonces   map[string]bool             // guarded by mu; given and not used
	accounts map[string]crypto.PublicKey // guarded by mu; by URL
	orders   map[string]*order           // guarded by mu; by number
	faults   []string                    // guarded by mu; why names were not proven
}

// order is that of a certificate for one name.
type order struct {
	account, domain, token string
	status                 string // of the authorization: pending, valid or invalid
	chain                  []byte // the certificate, when there is one
}

// New starts an authority that reaches domain at the address that locate returns.
func New(t testing.TB, locate func(domain string) string) *Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "acmetest"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{
		t: t, key: key, locate: locate,
		nonces: map[string]bool{}, accounts: map[string]crypto.PublicKey{}, orders: map[string]*order{},
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /directory", a.directory)
	mux.HandleFunc("/nonce", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Replay-Nonce", a.nonce()) })
	mux.HandleFunc("POST /account", a.signed(a.account))
	mux.HandleFunc("POST /order", a.signed(a.order))
	for path, serve := range map[string]func(*http.Request, *order, []byte) (any, error){
		"order": a.showOrder, "authorization": a.showAuthorization, "challenge": a.challenge, "finalize": a.finalize, "certificate": a.certificate,
	} {
		mux.HandleFunc("POST /"+path+"/{number}", a.signed(a.ofOrder(serve)))
	}
	a.http = httptest.NewServer(mux)
	t.Cleanup(a.http.Close)
	return a
}

// Directory is the URL that the authority is found under.
func (a *Authority) Directory() string { return a.http.URL + "/directory" }

// Roots are what clients trust who trust the authority.
func (a *Authority) Roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return roots
}

// Faults are why names were not proven, so far.
func (a *Authority) Faults() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.faults)
}

// Orders are the names that certificates were made for, so far.
func (a *Authority) Orders() (domains []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.orders {
		if o.chain != nil {
			domains = append(domains, o.domain)
		}
	}
	slices.Sort(domains)
	return domains
}

func (a *Authority) directory(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]string{
		"newNonce": a.http.URL + "/nonce", "newAccount": a.http.URL + "/account", "newOrder": a.http.URL + "/order",
	})
}

func (a *Authority) nonce() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	nonce := rand.Text()
	a.nonces[nonce] = true
	return nonce
}

// account is RFC 8555 section 7.3.
func (a *Authority) account(w http.ResponseWriter, m message) {
	location := a.http.URL + "/account/" + rand.Text()
	a.mu.Lock()
	a.accounts[location] = m.key
	a.mu.Unlock()
	w.Header().Set("Location", location)
	reply(w, http.StatusCreated, map[string]string{"status": "valid"})
}

// order is section 7.4.
func (a *Authority) order(w http.ResponseWriter, m message) {
	var wish struct {
		Identifiers []struct{ Type, Value string }
	}
	if err := json.Unmarshal(m.payload, &wish); err != nil || len(wish.Identifiers) != 1 || wish.Identifiers[0].Type != "dns" {
		refuse(w, "malformed", "one name, please")
		return
	}
	number := strings.ToLower(rand.Text())
	o := &order{account: m.account, domain: wish.Identifiers[0].Value, token: rand.Text(), status: "pending"}
	a.mu.Lock()
	a.orders[number] = o
	shown := a.shownOrder(number, o)
	a.mu.Unlock()
	w.Header().Set("Location", a.http.URL+"/order/"+number)
	reply(w, http.StatusCreated, shown)
}

// shownOrder is what an order looks like. a.mu is held.
func (a *Authority) shownOrder(number string, o *order) map[string]any {
	status := map[string]string{"pending": "pending", "valid": "ready", "invalid": "invalid"}[o.status]
	shown := map[string]any{
		"identifiers":    []map[string]string{{"type": "dns", "value": o.domain}},
		"authorizations": []string{a.http.URL + "/authorization/" + number},
		"finalize":       a.http.URL + "/finalize/" + number,
	}
	if o.chain != nil {
		status = "valid"
		shown["certificate"] = a.http.URL + "/certificate/" + number
	}
	shown["status"] = status
	return shown
}

func (a *Authority) showOrder(r *http.Request, o *order, _ []byte) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.shownOrder(r.PathValue("number"), o), nil
}

func (a *Authority) showAuthorization(r *http.Request, o *order, _ []byte) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return map[string]any{
		"status":     o.status,
		"identifier": map[string]string{"type": "dns", "value": o.domain},
		"challenges": []any{a.shownChallenge(r.PathValue("number"), o)},
	}, nil
}

// shownChallenge is what a challenge looks like. a.mu is held.
func (a *Authority) shownChallenge(number string, o *order) map[string]string {
	return map[string]string{"type": "tls-alpn-01", "url": a.http.URL + "/challenge/" + number, "token": o.token, "status": o.status}
}

// finalize is section 7.4: it makes the certificate.
func (a *Authority) finalize(r *http.Request, o *order, payload []byte) (any, error) {
	var wish struct{ CSR string }
	if err := json.Unmarshal(payload, &wish); err != nil {
		return nil, err
	}
	request, err := parseRequest(wish.CSR, o.domain)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.status != "valid" {
		return nil, errNotProven
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, DNSNames: []string{o.domain}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, request.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	o.chain = slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
	return a.shownOrder(r.PathValue("number"), o), nil
}

func (a *Authority) certificate(_ *http.Request, o *order, _ []byte) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.chain == nil {
		return nil, errNotProven
	}
	return o.chain, nil
}
