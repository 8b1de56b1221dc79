package acmetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
)

var (
	errNotProven = errors.New("the name is not proven")
	errNotYours  = errors.New("there is no such order of this account")
)

// message is a request that was signed (RFC 8555 section 6.2), and whose signature holds.
type message struct {
	request *http.Request
	account string // URL; "" for a new one
	key     crypto.PublicKey
	payload []byte
}

// signed lets those requests through whose signature, nonce and URL are right.
func (a *Authority) signed(serve func(http.ResponseWriter, message)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Replay-Nonce", a.nonce())
		m, err := a.open(r)
		if err != nil {
			refuse(w, "malformed", err.Error())
			return
		}
		serve(w, m)
	}
}

func (a *Authority) open(r *http.Request) (message, error) {
	var jws struct{ Protected, Payload, Signature string }
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return message{}, err
	}
	if err := json.Unmarshal(body, &jws); err != nil {
		return message{}, err
	}
	var head struct {
		Alg, Nonce, URL, KID string
		JWK                  *struct{ Kty, Crv, X, Y string }
	}
	text, err := decode(jws.Protected)
	if err != nil {
		return message{}, err
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return message{}, err
	}
	m := message{request: r, account: head.KID}
	a.mu.Lock()
	known := a.nonces[head.Nonce]
	delete(a.nonces, head.Nonce)
	m.key = a.accounts[head.KID]
	a.mu.Unlock()
	if head.JWK != nil && head.KID == "" {
		x, errX := decode(head.JWK.X)
		y, errY := decode(head.JWK.Y)
		if err := errors.Join(errX, errY); err != nil {
			return message{}, err
		}
		if m.key, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y)); err != nil {
			return message{}, err
		}
	}
	signature, err := decode(jws.Signature)
	if err != nil {
		return message{}, err
	}
	key, isECDSA := m.key.(*ecdsa.PublicKey)
	sum := sha256.Sum256([]byte(jws.Protected + "." + jws.Payload))
	switch {
	case !known:
		return message{}, errors.New("the nonce is not one of ours")
	case head.URL != a.http.URL+r.URL.Path:
		return message{}, fmt.Errorf("it is signed for %s", head.URL)
	case head.Alg != "ES256" || !isECDSA || len(signature) != 64:
		return message{}, errors.New("only ES256 is taken, by an account that is known")
	case !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])):
		return message{}, errors.New("the signature is wrong")
	}
	m.payload, err = decode(jws.Payload)
	return m, err
}

// ofOrder finds the order that a path names.
func (a *Authority) ofOrder(serve func(*http.Request, *order, []byte) (any, error)) func(http.ResponseWriter, message) {
	return func(w http.ResponseWriter, m message) {
		a.mu.Lock()
		o := a.orders[m.request.PathValue("number")]
		a.mu.Unlock()
		if o == nil || o.account != m.account {
			refuse(w, "malformed", errNotYours.Error())
			return
		}
		answer, err := serve(m.request, o, m.payload)
		if err != nil {
			refuse(w, "badCSR", err.Error())
			return
		}
		w.Header().Set("Location", a.http.URL+"/order/"+m.request.PathValue("number"))
		reply(w, http.StatusOK, answer)
	}
}

// parseRequest returns a request for a certificate of one name (RFC 2986).
func parseRequest(text, domain string) (*x509.CertificateRequest, error) {
	der, err := decode(text)
	if err != nil {
		return nil, err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	if err := request.CheckSignature(); err != nil {
		return nil, err
	}
	if !slices.Equal(request.DNSNames, []string{domain}) {
		return nil, fmt.Errorf("the order was for %s, the request is for %v", domain, request.DNSNames)
	}
	return request, nil
}

func decode(text string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(text) }

// reply sends an answer as JSON, but a chain of certificates as it is.
func reply(w http.ResponseWriter, status int, answer any) {
	if chain, is := answer.([]byte); is {
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		w.WriteHeader(status)
		_, _ = w.Write(chain) // the client may be gone
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // as above
}

// refuse is section 6.7.
func refuse(w http.ResponseWriter, kind, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"type": "urn:ietf:params:acme:error:" + kind, "detail": detail}) // as above
}
