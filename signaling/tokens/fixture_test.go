package tokens

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const secret = "0123456789abcdef0123456789abcdef"

// The tests' own keys, made once. RSA keys of 2048 bits take a while.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	smallRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	otherEC  = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	largeEC  = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P384()) })
	edKey    = sync.OnceValue(func() ed25519.PrivateKey { return newEd() })
	otherEd  = sync.OnceValue(func() ed25519.PrivateKey { return newEd() })
)

func newEC(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

func newEd() ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return must(private, err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func marshal(v any) string { return string(must(json.Marshal(v))) }

// members are those of a JSON object.
type members = map[string]any

// jwk returns the public key as a JWK with this id, and more members.
func jwk(public crypto.PublicKey, id string, more members) members {
	k := members{"kid": id}
	switch public := public.(type) {
	case *rsa.PublicKey:
		k["kty"], k["n"], k["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(public.Bytes())[1:] // after the byte that says uncompressed
		k["kty"], k["crv"] = "EC", public.Curve.Params().Name
		k["x"], k["y"] = b64(point[:len(point)/2]), b64(point[len(point)/2:])
	case ed25519.PublicKey:
		k["kty"], k["crv"], k["x"] = "OKP", "Ed25519", b64(public)
	}
	maps.Copy(k, more)
	return k
}

func keySetOf(keys ...members) string { return marshal(members{"keys": keys}) }

// sign is a signature of text (RFC 7518 section 3) by whatever key it is given.
func sign(private any, text string) []byte {
	digest := sha256.Sum256([]byte(text))
	switch k := private.(type) {
	case []byte:
		mac := hmac.New(sha256.New, k)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	case *rsa.PrivateKey:
		return must(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest[:]))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		if err != nil {
			panic(err)
		}
		size := (k.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(k, []byte(text))
	}
	return nil
}

// token returns a token of these two JSON texts.
func token(header, payload string, private any) string {
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	return text + "." + b64(sign(private, text))
}

// head is a header that names an algorithm and a key.
func head(algorithm, id string) string {
	h := members{"alg": algorithm, "typ": "JWT"}
	if id != "" {
		h["kid"] = id
	}
	return marshal(h)
}

// start is when the fake clocks' time begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// good returns claims that are taken at start, with changes; a nil takes one out.
func good(changes members) string {
	claims := members{
		"sub": "ada", "name": "Ada", "rooms": []string{"lobby", "team-*"}, "can": []string{"join", "signal"},
		"exp": start.Add(time.Hour).Unix(), "iss": "https://app.example", "aud": "parley",
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return marshal(claims)
}

// fakeClock stands still until it is advanced.
type fakeClock struct {
	armed chan time.Duration // every timer, as it is made: a fetch has ended just before

	mu     sync.Mutex
	t      time.Time                    // guarded by mu
	timers map[chan time.Time]time.Time // guarded by mu; by when they fire
}

func newFakeClock() *fakeClock {
	return &fakeClock{armed: make(chan time.Duration, 10000), t: start, timers: map[chan time.Time]time.Time{}}
}

func (f *fakeClock) clock() clock { return clock{now: f.now, after: f.after} }

func (f *fakeClock) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.t
}

func (f *fakeClock) after(d time.Duration) <-chan time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan time.Time, 1)
	f.timers[c] = f.t.Add(d)
	f.armed <- d
	return c
}

// set changes the time without any timer's noticing.
func (f *fakeClock) set(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t = t
}

// advance moves the time and fires what is due.
func (f *fakeClock) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t = f.t.Add(d)
	for c, due := range f.timers {
		if !due.After(f.t) {
			c <- f.t
			delete(f.timers, c)
		}
	}
}

// landed waits for the end of a fetch and returns how long the next is put off.
func (f *fakeClock) landed(t *testing.T) time.Duration {
	t.Helper()
	select {
	case d := <-f.armed:
		return d
	case <-time.After(20 * time.Second):
		t.Fatal("no fetch ended within 20 s")
		return 0
	}
}

// issuer serves a key set on loopback.
type issuer struct {
	*httptest.Server
	requests atomic.Int32
	serve    atomic.Pointer[http.HandlerFunc]
}

func newIssuer(t *testing.T, set string) *issuer {
	t.Helper()
	i := &issuer{}
	i.give(set)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.requests.Add(1)
		(*i.serve.Load())(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

// give makes the issuer serve another set.
func (i *issuer) give(set string) {
	i.do(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, set) })
}

func (i *issuer) do(h http.HandlerFunc) { i.serve.Store(&h) }

// fixture is a verifier at start.
type fixture struct {
	*Verifier
	clock *fakeClock
	log   *bytes.Buffer // read after Close only
}

func newFixture(t *testing.T, cfg Config) *fixture {
	t.Helper()
	f := &fixture{clock: newFakeClock(), log: &bytes.Buffer{}}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	v, err := newVerifier(cfg, f.clock.clock())
	if err != nil {
		t.Fatal(err)
	}
	f.Verifier = v
	t.Cleanup(func() { v.Close() })
	return f
}

// all is a configuration with a key of each type, and the ids "rsa", "other", "ec" and "ed".
func all(t *testing.T) Config {
	t.Helper()
	i := newIssuer(t, keySetOf(
		jwk(rsaKey().Public(), "rsa", nil), jwk(otherRSA().Public(), "other", nil),
		jwk(ecKey().Public(), "ec", nil), jwk(edKey().Public(), "ed", nil)))
	return Config{Secrets: []string{secret}, JWKSURL: i.URL, Issuer: "https://app.example", Audience: "parley"}
}

func (f *fixture) verify(t *testing.T, token string) (Claims, error) {
	t.Helper()
	return f.Verify(t.Context(), token)
}

func equal(a, b Claims) bool {
	return a.Subject == b.Subject && a.Name == b.Name && slices.Equal(a.Rooms, b.Rooms) &&
		slices.Equal(a.Can, b.Can) && a.Expires.Equal(b.Expires)
}
