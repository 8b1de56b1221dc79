package tokens

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestKeysThatAreOfNoUseArePassedOver(t *testing.T) {
	rsaPublic, ecPublic, edPublic := rsaKey().Public(), ecKey().Public(), edKey().Public()
	off := jwk(ecPublic, "k", members{"y": jwk(otherEC().Public(), "", nil)["y"]})
	private := jwk(edPublic, "k", members{"d": b64(edKey().Seed())})
	for name, c := range map[string]struct {
		key  any
		want string // the algorithm; "": passed over
	}{
		"RSA":                              {jwk(rsaPublic, "k", nil), "RS256"},
		"RSA for RS256":                    {jwk(rsaPublic, "k", members{"alg": "RS256"}), "RS256"},
		"RSA for RS512":                    {jwk(rsaPublic, "k", members{"alg": "RS512"}), ""},
		"RSA for PS256":                    {jwk(rsaPublic, "k", members{"alg": "PS256"}), ""},
		"RSA for HS256":                    {jwk(rsaPublic, "k", members{"alg": "HS256"}), ""},
		"RSA for none":                     {jwk(rsaPublic, "k", members{"alg": "none"}), ""},
		"RSA for an alg nobody knows":      {jwk(rsaPublic, "k", members{"alg": "XS256"}), ""},
		"RSA to encrypt to":                {jwk(rsaPublic, "k", members{"use": "enc"}), ""},
		"RSA to sign":                      {jwk(rsaPublic, "k", members{"use": "sig"}), "RS256"},
		"RSA for a use nobody knows":       {jwk(rsaPublic, "k", members{"use": "tls"}), ""},
		"RSA to verify":                    {jwk(rsaPublic, "k", members{"key_ops": []string{"verify"}}), "RS256"},
		"RSA to verify and something else": {jwk(rsaPublic, "k", members{"key_ops": []string{"x", "verify"}}), "RS256"},
		"RSA to wrap keys":                 {jwk(rsaPublic, "k", members{"key_ops": []string{"wrapKey"}}), ""},
		"RSA of 1024 bits":                 {jwk(smallRSA().Public(), "k", nil), ""},
		"RSA of 16384 bits":                {members{"kty": "RSA", "e": "AQAB", "n": b64([]byte(strings.Repeat("\xff", 2048)))}, ""},
		"RSA with exponent 1":              {jwk(rsaPublic, "k", members{"e": "AQ"}), ""},
		"RSA with an even exponent":        {jwk(rsaPublic, "k", members{"e": "AQAA"}), ""},
		"RSA with exponent 2^64 + 3":       {jwk(rsaPublic, "k", members{"e": "AQAAAAAAAAAD"}), ""},
		"RSA without modulus":              {members{"kty": "RSA", "e": "AQAB"}, ""},
		"RSA with a broken certificate":    {jwk(rsaPublic, "k", members{"x5c": []string{"AAAA"}, "x5t": "x"}), "RS256"},
		"P-256":                            {jwk(ecPublic, "k", nil), "ES256"},
		"P-256 for ES384":                  {jwk(ecPublic, "k", members{"alg": "ES384"}), ""},
		"P-256, the point not on it":       {off, ""},
		"P-384":                            {jwk(largeEC().Public(), "k", nil), ""},
		"P-384 said to be for ES256":       {jwk(largeEC().Public(), "k", members{"alg": "ES256"}), ""},
		"P-384 said to be P-256":           {jwk(largeEC().Public(), "k", members{"crv": "P-256"}), ""},
		"secp256k1":                        {jwk(ecPublic, "k", members{"crv": "secp256k1"}), ""},
		"Ed25519":                          {jwk(edPublic, "k", nil), "EdDSA"},
		"Ed25519 for EdDSA":                {jwk(edPublic, "k", members{"alg": "EdDSA"}), "EdDSA"},
		"Ed25519, too short":               {jwk(edPublic, "k", members{"x": "AAAA"}), ""},
		"X25519":                           {jwk(edPublic, "k", members{"crv": "X25519"}), ""},
		"a private key, its public half":   {private, "EdDSA"},
		"a secret":                         {members{"kty": "oct", "kid": "k", "k": b64([]byte(secret)), "alg": "HS256"}, ""},
		"a type nobody knows":              {members{"kty": "AKP", "kid": "k"}, ""},
		"no type":                          {members{"kid": "k"}, ""},
		"no object":                        {"k", ""},
		"null":                             {nil, ""},
		"an id that is a number":           {jwk(rsaPublic, "", members{"kid": 7}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			keys, passedOver, err := parseKeySet([]byte(marshal(members{"keys": []any{c.key, jwk(edPublic, "last", nil)}})))
			if err != nil || len(keys)+len(passedOver) != 2 || keys[len(keys)-1].id != "last" {
				t.Fatalf("keys = %v, passed over %v, %v; want the last key at least", keys, passedOver, err)
			}
			got := ""
			if len(keys) == 2 {
				got = keys[0].algorithm
			}
			if got != c.want {
				t.Errorf("algorithm = %q (%v), want %q", got, passedOver, c.want)
			}
		})
	}
}

func TestSetsThatAreNoneAreRefused(t *testing.T) {
	key := json.RawMessage(marshal(jwk(edKey().Public(), "k", nil)))
	full := func(n int) string {
		keys := make([]json.RawMessage, n)
		for i := range keys {
			keys[i] = key
		}
		return marshal(members{"keys": keys})
	}
	for name, c := range map[string]struct {
		body string
		ok   bool
	}{
		"no keys, on purpose": {`{"keys":[]}`, true},
		"100 keys":            {full(100), true},
		"101 keys":            {full(101), false},
		"nothing":             {``, false},
		"an empty object":     {`{}`, false},
		"keys that are null":  {`{"keys":null}`, false},
		"keys in an object":   {`{"keys":{"k":{}}}`, false},
		"a list":              {`[]`, false},
		"null":                {`null`, false},
		"HTML":                {`<html><body>Sign in</body></html>`, false},
		"JSON cut short":      {`{"keys":[`, false},
		"something behind it": {`{"keys":[]}{}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := parseKeySet([]byte(c.body)); (err == nil) != c.ok {
				t.Errorf("parseKeySet: %v, want taken: %v", err, c.ok)
			}
		})
	}
}

func TestOneKeyFitsOrNone(t *testing.T) {
	keys := []key{{id: "a", algorithm: "RS256"}, {id: "a", algorithm: "ES256"}, {id: "b", algorithm: "RS256"}, {id: "c", algorithm: "EdDSA"}, {id: "c", algorithm: "EdDSA"}}
	for name, c := range map[string]struct {
		algorithm, id string
		want          *key
	}{
		"one id, two types":           {"ES256", "a", &keys[1]},
		"by the id":                   {"RS256", "b", &keys[2]},
		"no id, one of the type":      {"ES256", "", &keys[1]},
		"no id, two of the type":      {"RS256", "", nil},
		"one id and type, twice":      {"EdDSA", "c", nil},
		"an id of a key of no such":   {"ES256", "b", nil},
		"an id that is not there":     {"RS256", "d", nil},
		"a type that is not there":    {"ES384", "a", nil},
		"no id, a type not there":     {"ES384", "", nil},
		"HS256 is no public key's":    {"HS256", "a", nil},
		"none is no algorithm at all": {"none", "a", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fitting(keys, c.algorithm, c.id); got != c.want {
				t.Errorf("fitting = %v, want %v", got, c.want)
			}
		})
	}
}
