package tokens

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-rtc/parley/signaling"
)

// Verifier checks app tokens. Its methods may be called concurrently.
type Verifier struct {
	cfg     Config
	secrets jwt.VerificationKeySet // for HS256
	keys    *keySet                // for the others; nil without a JWKSURL

	parser    *jwt.Parser // signatures only
	validator *jwt.Validator
}

// New returns a verifier, or all that is wrong with its configuration. It does not wait for the
// key set: a token that needs it does. A verifier with a JWKSURL must be closed.
func New(cfg Config) (*Verifier, error) {
	return newVerifier(cfg, clock{now: time.Now, after: time.After})
}

func newVerifier(cfg Config, c clock) (*Verifier, error) {
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	v := &Verifier{
		cfg:    cfg,
		parser: jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation()),
	}
	for _, secret := range cfg.Secrets {
		v.secrets.Keys = append(v.secrets.Keys, []byte(secret))
	}
	options := []jwt.ParserOption{jwt.WithTimeFunc(c.now), jwt.WithLeeway(cfg.Leeway), jwt.WithExpirationRequired()}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		options = append(options, jwt.WithAudience(cfg.Audience))
	}
	v.validator = jwt.NewValidator(options...)
	if cfg.JWKSURL != "" {
		v.keys = newKeySet(fetcher(cfg), c, cfg.Logger)
	}
	return v, nil
}

// Close stops fetching keys and waits until that has ended. Tokens are still verified after it,
// with the secrets and the keys that are there. It may be called more than once; its error is
// always nil.
func (v *Verifier) Close() error {
	if v.keys != nil {
		v.keys.close()
	}
	return nil
}

// Verify returns the claims of a token in the compact form (RFC 7515 section 7.1) if it is signed
// by one of the keys and valid now. Where its key is not known yet, that waits for the key set to be
// fetched, until ctx ends or for 5 s. The error is one of this package's, of which ErrRoom and ErrVerb are
// [Verifier.Authorize]'s.
func (v *Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	h, err := readHeader(token)
	if err != nil {
		return Claims{}, err
	}
	keys, err := v.keysFor(ctx, h)
	if err != nil {
		return Claims{}, err
	}
	var p payload
	_, err = v.parser.ParseWithClaims(token, &p, func(t *jwt.Token) (any, error) {
		if t.Method.Alg() != h.algorithm { // the library has read the same header
			return nil, ErrAlgorithm
		}
		return keys, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return Claims{}, ErrMalformed
	case err != nil:
		return Claims{}, ErrSignature
	}
	claims, err := p.claims()
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrClaims, err)
	}
	if err := v.validator.Validate(p); err != nil {
		return Claims{}, v.invalid(p, err)
	}
	return claims, nil
}

// keysFor returns the keys of which one has to have signed the token: any of the secrets, or the
// key that its id names.
func (v *Verifier) keysFor(ctx context.Context, h header) (jwt.VerificationKeySet, error) {
	switch h.algorithm {
	case "HS256":
		if len(v.secrets.Keys) == 0 {
			return v.secrets, ErrAlgorithm
		}
		return v.secrets, nil
	case "RS256", "ES256", "EdDSA":
		if v.keys == nil {
			return jwt.VerificationKeySet{}, ErrAlgorithm
		}
		k, err := v.keys.find(ctx, h.algorithm, h.key)
		if err != nil {
			return jwt.VerificationKeySet{}, err
		}
		return jwt.VerificationKeySet{Keys: []jwt.VerificationKey{k.public}}, nil
	}
	return jwt.VerificationKeySet{}, ErrAlgorithm
}

// invalid says what the validator found.
func (v *Verifier) invalid(p payload, err error) error {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return ErrExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return ErrNotYetValid
	case v.cfg.Issuer != "" && p.Issuer != v.cfg.Issuer:
		return ErrIssuer
	case v.cfg.Audience != "" && !slices.Contains(p.Audience, v.cfg.Audience):
		return ErrAudience
	}
	return ErrClaims
}

// Authenticate is a [signaling.Config]'s Authenticate: it verifies the request's bearer token (RFC 6750
// section 2.1). The identity's Claims are the token's [Claims]; it expires when the token is no
// longer taken, that is Config.Leeway after Claims.Expires.
func (v *Verifier) Authenticate(r *http.Request) (signaling.Identity, error) {
	token, err := bearer(r.Header)
	if err != nil {
		return signaling.Identity{}, err
	}
	c, err := v.Verify(r.Context(), token)
	if err != nil {
		return signaling.Identity{}, err
	}
	return signaling.Identity{Subject: c.Subject, Name: c.Name, Expires: c.Expires.Add(v.cfg.Leeway), Claims: c}, nil
}

// Authorize is a [signaling.Config]'s Authorize: it returns nil if the claims of an identity that
// Authenticate returned allow the action in its room, else ErrRoom or ErrVerb. An identity from
// elsewhere is allowed nothing.
func (v *Verifier) Authorize(_ context.Context, id signaling.Identity, action signaling.Action) error {
	c, ok := id.Claims.(Claims)
	switch {
	case !ok:
		return fmt.Errorf("%w: the identity has no claims of a token", ErrVerb)
	case !c.room(action.Room):
		return ErrRoom
	case !slices.Contains(c.Can, Verb(action.Verb)):
		return ErrVerb
	}
	return nil
}

// bearer returns the token in an Authorization header. The scheme's case does not matter.
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", ErrMissing
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	switch {
	case len(values) > 1:
		return "", fmt.Errorf("%w: more than one Authorization header", ErrMalformed)
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return "", ErrMissing
	}
	return token, nil
}
