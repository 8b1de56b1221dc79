package tokens

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/signaling"
)

// forgery is a token that must not be taken, and why it is not. "mallory" in one must not be
// in what is said about it.
type forgery struct {
	token string
	want  error
}

func TestForgeriesAreRefused(t *testing.T) {
	f := newFixture(t, all(t))
	for _, table := range []map[string]forgery{algorithms(), confusions(), keyIDs(), shapes()} {
		for name, c := range table {
			t.Run(name, func(t *testing.T) {
				claims, err := f.verify(t, c.token)
				if !errors.Is(err, c.want) {
					t.Fatalf("Verify = %+v, %v; want %v", claims, err, c.want)
				}
				var e *signaling.Error
				if !errors.As(err, &e) {
					t.Errorf("%v wraps no *signaling.Error", err)
				}
				if !equal(claims, Claims{}) {
					t.Errorf("Verify = %+v with an error, want no claims", claims)
				}
				if strings.Contains(err.Error(), "mallory") {
					t.Errorf("error %q repeats what is in the token", err)
				}
			})
		}
	}
}

// signed is a token with this header, its claims good and its signature by the RSA key.
func signed(header string) string { return token(header, good(nil), rsaKey()) }

func algorithms() map[string]forgery {
	pss := func(header string) string {
		text := b64([]byte(header)) + "." + b64([]byte(good(nil)))
		digest := sha256.Sum256([]byte(text))
		return text + "." + b64(must(rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, digest[:], nil)))
	}
	return map[string]forgery{
		"alg none":                        {token(head("none", ""), good(nil), nil), ErrAlgorithm},
		"alg None":                        {token(head("None", ""), good(nil), nil), ErrAlgorithm},
		"alg NONE":                        {token(head("NONE", ""), good(nil), nil), ErrAlgorithm},
		"alg none with a key id":          {token(head("none", "rsa"), good(nil), nil), ErrAlgorithm},
		"alg none with a real signature":  {signed(head("none", "rsa")), ErrAlgorithm},
		"no alg":                          {signed(`{"kid":"rsa"}`), ErrMalformed},
		"an empty alg":                    {signed(`{"alg":"","kid":"rsa"}`), ErrMalformed},
		"an alg that is a list":           {signed(`{"alg":["RS256"],"kid":"rsa"}`), ErrMalformed},
		"an alg that is null":             {signed(`{"alg":null,"kid":"rsa"}`), ErrMalformed},
		"an alg in another case":          {signed(`{"alg":"rs256","kid":"rsa"}`), ErrAlgorithm},
		"a member ALG is not alg":         {signed(`{"ALG":"RS256","kid":"rsa"}`), ErrMalformed},
		"an alg that nobody knows":        {signed(`{"alg":"mallory","kid":"rsa"}`), ErrAlgorithm},
		"two algs, the good one last":     {signed(`{"alg":"none","alg":"RS256","kid":"rsa"}`), ErrMalformed},
		"two algs, the good one first":    {signed(`{"alg":"RS256","\u0061lg":"none","kid":"rsa"}`), ErrMalformed},
		"PS256 by a good key":             {pss(head("PS256", "rsa")), ErrAlgorithm},
		"RS512 by a good key":             {signed(head("RS512", "rsa")), ErrAlgorithm},
		"HS512 by a good secret":          {token(head("HS512", ""), good(nil), []byte(secret)), ErrAlgorithm},
		"ES384 by a key of its curve":     {token(head("ES384", "ec"), good(nil), largeEC()), ErrAlgorithm},
		"ES256 by a key of another curve": {token(head("ES256", "ec"), good(nil), largeEC()), ErrSignature},
		"RS256 said of an Ed25519 key":    {token(head("RS256", "ed"), good(nil), edKey()), ErrUnknownKey},
		"ES256 said of an RSA key":        {token(head("ES256", "rsa"), good(nil), ecKey()), ErrUnknownKey},
		"EdDSA said of a P-256 key":       {token(head("EdDSA", "ec"), good(nil), edKey()), ErrUnknownKey},
		"PSS said to be RS256":            {pss(head("RS256", "rsa")), ErrSignature},
		"crit, with nothing known":        {signed(`{"alg":"RS256","kid":"rsa","crit":["mallory"],"mallory":1}`), ErrMalformed},
		"crit, with an unencoded payload": {signed(`{"alg":"RS256","kid":"rsa","crit":["b64"],"b64":false}`), ErrMalformed},
		"an empty crit":                   {signed(`{"alg":"RS256","kid":"rsa","crit":[]}`), ErrMalformed},
		"a crit of null":                  {signed(`{"alg":"RS256","kid":"rsa","crit":null}`), ErrMalformed},
	}
}

// confusions are signed by HMAC with what an attacker can know of the public keys.
func confusions() map[string]forgery {
	public := &rsaKey().PublicKey
	pkix, pkcs1 := must(x509.MarshalPKIXPublicKey(public)), x509.MarshalPKCS1PublicKey(public)
	armored := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	table := map[string]forgery{}
	for name, key := range map[string][]byte{
		"the RSA key's PEM":                       armored("PUBLIC KEY", pkix),
		"the RSA key's PEM without last line end": bytes.TrimSpace(armored("PUBLIC KEY", pkix)),
		"the RSA key's PKCS #1 PEM":               armored("RSA PUBLIC KEY", pkcs1),
		"the RSA key's DER":                       pkix,
		"the RSA key's PKCS #1 DER":               pkcs1,
		"the RSA modulus":                         public.N.Bytes(),
		"the RSA modulus in base64":               []byte(b64(public.N.Bytes())),
		"the RSA key's JWK":                       []byte(marshal(jwk(public, "rsa", nil))),
		"the P-256 point":                         must(ecKey().PublicKey.Bytes()),
		"the Ed25519 public key":                  edKey().Public().(ed25519.PublicKey),
		"an empty key":                            {},
		"a part of the secret":                    []byte(secret[:31]),
		"the secret and more":                     []byte(secret + "0"),
	} {
		for _, id := range []string{"", "rsa", "ec", "ed"} {
			table["HS256 by "+name+", key id "+id] = forgery{token(head("HS256", id), good(nil), key), ErrSignature}
		}
	}
	return table
}

func keyIDs() map[string]forgery {
	own := jwk(otherRSA().Public(), "rsa", nil)
	return map[string]forgery{
		"the key of another id":              {token(head("RS256", "other"), good(nil), rsaKey()), ErrSignature},
		"a key that is not in the set":       {token(head("ES256", "ec"), good(nil), otherEC()), ErrSignature},
		"another Ed25519 key":                {token(head("EdDSA", "ed"), good(nil), otherEd()), ErrSignature},
		"an id that is not in the set":       {signed(head("RS256", "mallory")), ErrUnknownKey},
		"no id where two keys fit":           {signed(head("RS256", "")), ErrUnknownKey},
		"an empty id where two keys fit":     {signed(`{"alg":"RS256","kid":""}`), ErrUnknownKey},
		"an id that is a path":               {signed(head("RS256", "../../../../dev/null")), ErrUnknownKey},
		"an id that is a URL":                {signed(head("RS256", "https://mallory.example/jwks.json")), ErrUnknownKey},
		"an id that is SQL":                  {signed(head("RS256", "rsa' OR '1'='1")), ErrUnknownKey},
		"an id that is a command":            {signed(head("RS256", "rsa|touch /tmp/mallory")), ErrUnknownKey},
		"an id that ends in NUL":             {signed(head("RS256", "rsa\x00")), ErrUnknownKey},
		"an id in another case":              {signed(head("RS256", "RSA")), ErrUnknownKey},
		"an id that is a number":             {signed(`{"alg":"RS256","kid":1}`), ErrMalformed},
		"an id that is a list":               {signed(`{"alg":"RS256","kid":["rsa"]}`), ErrMalformed},
		"an id that is null":                 {signed(`{"alg":"RS256","kid":null}`), ErrMalformed},
		"two ids":                            {signed(`{"alg":"RS256","kid":"mallory","kid":"rsa"}`), ErrMalformed},
		"a key of its own, in jwk":           {token(marshal(members{"alg": "RS256", "kid": "rsa", "jwk": own}), good(nil), otherRSA()), ErrSignature},
		"a key set of its own, in jku":       {token(`{"alg":"RS256","kid":"rsa","jku":"http://127.0.0.1:1/mallory"}`, good(nil), otherRSA()), ErrSignature},
		"a certificate of its own, in x5u":   {token(`{"alg":"RS256","kid":"rsa","x5u":"http://127.0.0.1:1/mallory"}`, good(nil), otherRSA()), ErrSignature},
		"a key of its own and an id for it":  {token(marshal(members{"alg": "RS256", "kid": "mallory", "jwk": own}), good(nil), otherRSA()), ErrUnknownKey},
		"its own key in jwk, symmetric":      {token(`{"alg":"HS256","jwk":{"kty":"oct","k":"bWFsbG9yeQ"}}`, good(nil), []byte("mallory")), ErrSignature},
		"the id of an RSA key, by a P-256":   {token(head("ES256", "other"), good(nil), ecKey()), ErrUnknownKey},
		"all zero, where a P-256 key signs":  {unsigned("ES256", "ec", make([]byte, 64)), ErrSignature},
		"a P-256 signature in DER":           {unsigned("ES256", "ec", []byte{0x30, 6, 2, 1, 1, 2, 1, 1}), ErrSignature},
		"all zero, where an Ed25519 signs":   {unsigned("EdDSA", "ed", make([]byte, 64)), ErrSignature},
		"all zero, where an RSA key signs":   {unsigned("RS256", "rsa", make([]byte, 256)), ErrSignature},
		"all zero, where a secret signs":     {unsigned("HS256", "", make([]byte, 32)), ErrSignature},
		"no signature, where RSA signs":      {unsigned("RS256", "rsa", nil), ErrSignature},
		"no signature, where a secret signs": {unsigned("HS256", "", nil), ErrSignature},
	}
}

// unsigned is a token with any bytes for a signature.
func unsigned(algorithm, id string, signature []byte) string {
	return token(head(algorithm, id), good(nil), nil) + b64(signature)
}

// shapes are good tokens spoilt.
func shapes() map[string]forgery {
	tok := signed(head("RS256", "rsa"))
	p := strings.Split(tok, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	promoted := b64([]byte(good(members{"sub": "mallory", "rooms": []string{"*"}})))
	another := strings.Split(token(head("RS256", "rsa"), good(members{"sub": "mallory"}), otherRSA()), ".")
	last := strings.IndexByte(alphabet, tok[len(tok)-1])
	return map[string]forgery{
		"nothing":                               {"", ErrMalformed},
		"two dots":                              {"..", ErrMalformed},
		"one part":                              {p[0], ErrMalformed},
		"two parts":                             {join(p[0], p[1]), ErrMalformed},
		"four parts":                            {join(p[0], p[1], p[2], p[2]), ErrMalformed},
		"four parts, the last empty":            {join(p[0], p[1], p[2], ""), ErrMalformed},
		"five parts, as if encrypted":           {join(p[0], p[1], p[2], p[1], p[2]), ErrMalformed},
		"a payload changed":                     {join(p[0], promoted, p[2]), ErrSignature},
		"a payload from another token":          {join(p[0], another[1], p[2]), ErrSignature},
		"a signature from another token":        {join(p[0], p[1], another[2]), ErrSignature},
		"a header changed after signing":        {join(b64([]byte(`{"kid":"rsa","alg":"RS256"}`)), p[1], p[2]), ErrSignature},
		"a signature without its last byte":     {tok[:len(tok)-2], ErrSignature},
		"a signature cut to nothing":            {join(p[0], p[1], ""), ErrSignature},
		"a signature with more":                 {tok + "AAAA", ErrSignature},
		"no payload":                            {join(p[0], "", p[2]), ErrMalformed},
		"no header":                             {join("", p[1], p[2]), ErrMalformed},
		"padding in the header":                 {join(b64([]byte(head("RS256", "rsa")+" "))+"=", p[1], p[2]), ErrMalformed},
		"padding in the payload":                {join(p[0], p[1]+"==", p[2]), ErrMalformed},
		"padding in the signature":              {tok + "==", ErrMalformed},
		"bits that nobody reads set":            {tok[:len(tok)-1] + string(alphabet[last|1]), ErrMalformed},
		"a line end inside":                     {tok[:9] + "\n" + tok[9:], ErrMalformed},
		"a line end behind":                     {tok + "\r\n", ErrMalformed},
		"a space before":                        {" " + tok, ErrMalformed},
		"standard base64":                       {join(p[0], p[1]+"+/", p[2]), ErrMalformed},
		"a NUL":                                 {tok + "\x00", ErrMalformed},
		"what is not UTF-8":                     {tok + "\xff", ErrMalformed},
		"a letter that folds to k":              {tok + "\u212a", ErrMalformed},
		"a header that is no JSON":              {token(`mallory`, good(nil), rsaKey()), ErrMalformed},
		"a header that is a list":               {token(`["RS256"]`, good(nil), rsaKey()), ErrMalformed},
		"a header that is null":                 {token(`null`, good(nil), rsaKey()), ErrMalformed},
		"a header with something behind":        {token(head("RS256", "rsa")+`{}`, good(nil), rsaKey()), ErrMalformed},
		"a header that does not end":            {token(`{"alg":"RS256"`, good(nil), rsaKey()), ErrMalformed},
		"a payload that is no JSON":             {token(head("RS256", "rsa"), `mallory`, rsaKey()), ErrMalformed},
		"a payload that is null":                {token(head("RS256", "rsa"), `null`, rsaKey()), ErrClaims},
		"a payload that is a list":              {token(head("RS256", "rsa"), `[]`, rsaKey()), ErrClaims},
		"a payload that is a string":            {token(head("RS256", "rsa"), `"mallory"`, rsaKey()), ErrClaims},
		"a payload that is a token":             {token(head("RS256", "rsa"), marshal(tok), rsaKey()), ErrClaims},
		"a payload with something behind":       {token(head("RS256", "rsa"), good(nil)+`{}`, rsaKey()), ErrMalformed},
		"a token of more than 8 KiB":            {token(head("RS256", "rsa"), good(members{"pad": strings.Repeat("x", MaxToken)}), rsaKey()), ErrMalformed},
		"a token of 10 MB":                      {strings.Repeat("a.", 5_000_000), ErrMalformed},
		"a header of 7 KB of brackets":          {token(strings.Repeat("[", 5000), good(nil), rsaKey()), ErrMalformed},
		"a header with 5000 brackets in it":     {token(`{"alg":"RS256","x":`+strings.Repeat("[", 4000), "", nil), ErrMalformed},
		"an id of 5 KB":                         {signed(head("RS256", strings.Repeat("mallory", 700))), ErrUnknownKey},
		"another issuer's, and a bad signature": {token(head("RS256", "rsa"), good(members{"iss": "mallory"}), otherRSA()), ErrSignature},
	}
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
