package tokens

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// key is a public key that verifies tokens of one algorithm.
type key struct {
	id        string // "": none
	algorithm string // "RS256", "ES256" or "EdDSA", by the type of the key
	public    jwt.VerificationKey
}

// parseKeySet returns the keys of a set (RFC 7517 section 5) that can verify tokens, and why the
// others were passed over: a set may hold keys that are for something else.
func parseKeySet(body []byte) (keys []key, passedOver []error, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, nil, errors.New("the reply is not a key set")
	}
	if set.Keys == nil {
		return nil, nil, errors.New("the reply has no keys")
	}
	if len(set.Keys) > MaxKeys {
		return nil, nil, fmt.Errorf("the set has %d keys, more than %d", len(set.Keys), MaxKeys)
	}
	for i, raw := range set.Keys {
		k, err := parseKey(raw)
		if err != nil {
			passedOver = append(passedOver, fmt.Errorf("keys[%d]: %w", i, err))
			continue
		}
		keys = append(keys, k)
	}
	return keys, passedOver, nil
}

func parseKey(raw []byte) (key, error) {
	var m jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &m); err != nil {
		return key{}, errors.New("it is not a key")
	}
	if m.USE != "" && m.USE != jwkset.UseSig {
		return key{}, errors.New("its use is not sig")
	}
	if m.KEYOPS != nil && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return key{}, errors.New("its key_ops do not have verify")
	}
	// The rest is left out: certificates are nobody's concern here, and the library would not take
	// a key with an alg or key_ops that it does not know.
	bare := jwkset.JWKMarshal{KTY: m.KTY, CRV: m.CRV, X: m.X, Y: m.Y, N: m.N, E: m.E}
	jwk, err := jwkset.NewJWKFromMarshal(bare, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return key{}, err
	}
	k := key{id: m.KID, public: jwk.Key()}
	switch public := jwk.Key().(type) {
	case *rsa.PublicKey:
		k.algorithm = "RS256"
		if bits := public.N.BitLen(); bits < MinRSABits || bits > MaxRSABits {
			return key{}, fmt.Errorf("it is an RSA key of %d bits, not of %d to %d", bits, MinRSABits, MaxRSABits)
		}
		if public.E < 3 || public.E%2 == 0 {
			return key{}, errors.New("it is an RSA key with a wrong exponent")
		}
	case *ecdsa.PublicKey:
		k.algorithm = "ES256"
		if public.Curve != elliptic.P256() {
			return key{}, errors.New("it is an EC key of another curve than P-256")
		}
	case ed25519.PublicKey:
		k.algorithm = "EdDSA"
	default:
		return key{}, errors.New("its type does not sign tokens")
	}
	if m.ALG != "" && string(m.ALG) != k.algorithm {
		return key{}, fmt.Errorf("its alg is not %s", k.algorithm)
	}
	return k, nil
}

// fitting returns the one key that can verify tokens with this algorithm and key id, or nil if there is
// none or more than one. An id of "" is a token's that names no key.
func fitting(keys []key, algorithm, id string) *key {
	var found *key
	for i, k := range keys {
		if k.algorithm != algorithm || id != "" && k.id != id {
			continue
		}
		if found != nil {
			return nil
		}
		found = &keys[i]
	}
	return found
}
