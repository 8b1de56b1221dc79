package tokens

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/signaling"
)

// known are the messages that a client may be told.
func known(t *testing.T, err error) {
	t.Helper()
	var e *signaling.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v wraps no *signaling.Error", err)
	}
	if !slices.ContainsFunc([]error{ErrMalformed, ErrAlgorithm, ErrUnknownKey, ErrSignature, ErrExpired, ErrNotYetValid, ErrIssuer, ErrAudience, ErrClaims},
		func(sentinel error) bool { return errors.Is(err, sentinel) }) {
		t.Fatalf("%v is none of the refusals", err)
	}
}

// fuzzed is a verifier with a secret and a key set that needs no network.
func fuzzed(f *testing.F) *Verifier {
	c := newFakeClock()
	v, err := newVerifier(Config{Secrets: []string{secret}}, c.clock())
	if err != nil {
		f.Fatal(err)
	}
	v.keys = &keySet{
		clock: c.clock(), arrived: start, closed: true,
		keys: []key{
			{id: "rsa", algorithm: "RS256", public: rsaKey().Public()},
			{id: "ec", algorithm: "ES256", public: ecKey().Public()},
			{id: "ed", algorithm: "EdDSA", public: edKey().Public()},
		},
	}
	return v
}

// FuzzVerify checks that only what is signed is taken.
func FuzzVerify(f *testing.F) {
	v := fuzzed(f)
	for _, table := range []map[string]forgery{algorithms(), keyIDs(), shapes()} {
		for _, c := range table {
			if len(c.token) < 1000 {
				f.Add(c.token)
			}
		}
	}
	for _, tok := range []string{
		token(head("HS256", ""), good(nil), []byte(secret)), token(head("RS256", "rsa"), good(nil), rsaKey()),
		token(head("ES256", "ec"), good(nil), ecKey()), token(head("EdDSA", "ed"), good(nil), edKey()),
	} {
		f.Add(tok)
	}
	f.Fuzz(func(t *testing.T, tok string) {
		claims, err := v.Verify(t.Context(), tok)
		if err != nil {
			known(t, err)
			return
		}
		// Nobody but the seeds can sign with the public keys, so the signed text is a seed's. A
		// secret's signature is one of a kind.
		at := strings.LastIndexByte(tok, '.')
		header := must(base64.RawURLEncoding.DecodeString(tok[:strings.IndexByte(tok, '.')]))
		if strings.Contains(string(header), "HS256") && tok[at+1:] != b64(sign([]byte(secret), tok[:at])) {
			t.Errorf("%q is taken and not signed", tok)
		}
		if claims.Subject != "ada" {
			t.Errorf("%q is taken, and nobody signed its claims", tok)
		}
	})
}

// FuzzPayload checks what is taken of claims that are signed.
func FuzzPayload(f *testing.F) {
	v := fuzzed(f)
	for _, payload := range []string{
		good(nil), `{"sub":"ada","exp":9e9}`, `{"sub":"ada","exp":9e9,"sub":"x"}`, `{"sub":"ada","exp":1e300}`, `null`, `[]`, `{`,
		`{"sub":"ada","exp":9e9,"rooms":["*",null],"can":"join","aud":["x"],"nbf":1.5}`, "{\"sub\":\"\xff\",\"exp\":9e9}",
	} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		claims, err := v.Verify(t.Context(), token(head("HS256", ""), payload, []byte(secret)))
		if err != nil {
			known(t, err)
			return
		}
		if claims.Subject == "" || !claims.Expires.Add(v.cfg.Leeway).After(start) || claims.Expires.Unix() > maxDate {
			t.Errorf("%q is taken as %+v", payload, claims)
		}
		var plain map[string]any
		if err := json.Unmarshal([]byte(payload), &plain); err != nil {
			t.Fatalf("%q is taken, and no JSON: %v", payload, err)
		}
		if rooms, _ := plain["rooms"].([]any); plain["sub"] != claims.Subject || len(rooms) != len(claims.Rooms) {
			t.Errorf("%q is taken as %+v", payload, claims)
		}
	})
}
