package tokens

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The limits on what a [Verifier] reads.
const (
	MaxToken   = 8 << 10 // bytes of a token
	MaxKeySet  = 1 << 20 // bytes of a key set
	MaxKeys    = 100     // keys in a key set, those of no use included
	MinSecret  = 32      // bytes of a secret (RFC 7518 section 3.2)
	MinRSABits = 2048    // bits of an RSA modulus (RFC 7518 section 3.3)
	MaxRSABits = 8192    // bits of an RSA modulus
)

// The times that the keys are fetched by.
const (
	// FetchTimeout is how long fetching the key set may take.
	FetchTimeout = 5 * time.Second
	// RefreshEvery is how often the key set is fetched.
	RefreshEvery = 10 * time.Minute
	// FetchEvery is how often tokens that name unknown keys make it be fetched at most.
	FetchEvery = 30 * time.Second
	// KeepKeys is how long keys are used after the last fetch that worked.
	KeepKeys = 24 * time.Hour

	// A fetch that failed is tried again after the first, then twice as long each time up to the last.
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// Config configures a [Verifier]. It needs Secrets, JWKSURL or both.
type Config struct {
	// Secrets verify tokens signed with HS256. Any of them may, so that one can be replaced by
	// adding the new one first and removing the old one when its last token has expired. Each is
	// at least 32 bytes, and random.
	Secrets []string

	// JWKSURL is where the key set (RFC 7517) is that verifies tokens signed with RS256, ES256 or
	// EdDSA. It is an https URL; http will do on a loopback host.
	JWKSURL string
	// AllowHTTP allows http in JWKSURL on any host: whoever can change the reply can forge tokens.
	AllowHTTP bool

	// Issuer is what a token's "iss" must be. "": not checked. Set it where the key set signs for
	// others too.
	Issuer string
	// Audience is what a token's "aud" must be or hold. "": not checked. Set it where the issuer
	// gives out tokens for other services too.
	Audience string
	// Leeway is how far clocks may differ: a token is taken so long after its "exp" and so long
	// before its "nbf". Default 10 s, at most 5 min.
	Leeway time.Duration

	// HTTPClient fetches the key set, within 5 s in any case, and never follows a redirect from
	// https to http. Nil: a client of its own, with the environment's proxy.
	HTTPClient *http.Client

	// Logger is told when the keys have changed and when they could not be fetched. Nil:
	// slog.Default.
	Logger *slog.Logger
}

// resolved returns the configuration with its defaults filled in, or all its faults.
func (c Config) resolved() (Config, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(c.Secrets) == 0 && c.JWKSURL == "" {
		fault("there are neither Secrets nor a JWKSURL")
	}
	for i, secret := range c.Secrets {
		if len(secret) < MinSecret {
			fault("Secrets[%d] is %d bytes; it must be at least %d", i, len(secret), MinSecret)
		}
	}
	if c.JWKSURL != "" {
		if u, err := url.Parse(c.JWKSURL); err != nil {
			fault("JWKSURL is not a URL")
		} else if err := checkURL(u, c.AllowHTTP); err != nil {
			fault("JWKSURL: %w", err)
		}
	}
	if c.Leeway < 0 || c.Leeway > 5*time.Minute {
		fault("Leeway is %v; it must be from 0 to 5m", c.Leeway)
	}
	c.Leeway = cmp.Or(c.Leeway, 10*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, errors.Join(faults...)
}

// checkURL says why keys from u could not be trusted. It does not repeat the URL, which can
// hold a password.
func checkURL(u *url.URL, allowHTTP bool) error {
	switch {
	case u.Host == "" || u.Opaque != "":
		return errors.New("it is not like https://app.example/jwks.json")
	case u.User != nil:
		return errors.New("it holds a user name")
	case u.Scheme == "https", u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return errors.New("http is only for loopback hosts, unless AllowHTTP is set")
	}
	return errors.New("its scheme is not https")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
