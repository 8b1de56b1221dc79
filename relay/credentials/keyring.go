package credentials

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxUsername is the longest username in bytes that STUN carries (RFC 8489 section 14.3).
const MaxUsername = 508

var (
	// ErrMalformed says that a username is not "expiry:user".
	ErrMalformed = errors.New("malformed username")
	// ErrExpired says that a username's time is over.
	ErrExpired = errors.New("credential expired")
	// ErrMismatch says that a password fits none of the keys.
	ErrMismatch = errors.New("wrong password")
)

// Credential is what a TURN client needs to authenticate.
type Credential struct {
	Username string    // "expiry:user"
	Password string    // base64
	Expires  time.Time // whole seconds
}

// Keyring holds the secrets that a service and its relays share. The first one signs; all of them
// are accepted, so that a secret can be replaced without refusing anybody: add the new one to every
// relay behind the old one, then put it first where credentials are minted, then drop the old one
// when the last credential it signed has expired. A Keyring is immutable and may be used
// concurrently.
type Keyring struct {
	secrets [][]byte // at least one, none empty
}

// New returns a keyring of these secrets, the one that signs first. It fails without a secret and
// on an empty one.
func New(secrets ...string) (*Keyring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("credentials: no secret given")
	}
	k := &Keyring{}
	for i, secret := range secrets {
		if secret == "" {
			return nil, fmt.Errorf("credentials: secret %d of %d is empty", i+1, len(secrets))
		}
		k.secrets = append(k.secrets, []byte(secret))
	}
	return k, nil
}

// Len returns how many secrets there are; none in a nil Keyring.
func (k *Keyring) Len() int {
	if k == nil {
		return 0
	}
	return len(k.secrets)
}

// Mint returns a credential for a user that expires ttl after now, rounded up to a whole second.
// User may be empty. Mint fails if ttl is not positive, if the user holds a control character or is
// not UTF-8, or if the username would be longer than [MaxUsername].
func (k *Keyring) Mint(user string, now time.Time, ttl time.Duration) (Credential, error) {
	if ttl <= 0 {
		return Credential{}, fmt.Errorf("credentials: ttl %v is not positive", ttl)
	}
	if err := checkUser(user); err != nil {
		return Credential{}, fmt.Errorf("credentials: user %q: %w", user, err)
	}
	expires := now.Add(ttl)
	if whole := expires.Truncate(time.Second); whole.Before(expires) {
		expires = whole.Add(time.Second)
	}
	username := strconv.FormatInt(expires.Unix(), 10) + ":" + user
	if len(username) > MaxUsername {
		return Credential{}, fmt.Errorf("credentials: user is too long: %d bytes", len(user))
	}
	return Credential{Username: username, Password: password(k.secrets[0], username), Expires: time.Unix(expires.Unix(), 0)}, nil
}

// Lookup returns the password that each key gives for a username, in the keys' order. The error is
// [ErrMalformed], then without passwords, or [ErrExpired], then with them: a relay lets a live
// allocation go on under a username that has expired since, so that is for the caller to decide.
func (k *Keyring) Lookup(username string, now time.Time) ([]string, error) {
	expires, _, err := Parse(username)
	if err != nil {
		return nil, err
	}
	passwords := make([]string, len(k.secrets))
	for i, secret := range k.secrets {
		passwords[i] = password(secret, username)
	}
	if !now.Before(expires) {
		return passwords, fmt.Errorf("%w at %s", ErrExpired, expires.UTC().Format(time.RFC3339))
	}
	return passwords, nil
}

// Verify returns nil if the password is right under any of the keys and the username has not
// expired; else [ErrMalformed], [ErrMismatch] or [ErrExpired], the last only with the right
// password. How long it takes does not depend on the password.
func (k *Keyring) Verify(username, password string, now time.Time) error {
	candidates, err := k.Lookup(username, now)
	if err != nil && !errors.Is(err, ErrExpired) {
		return err
	}
	match := 0
	for _, candidate := range candidates {
		match |= subtle.ConstantTimeCompare([]byte(candidate), []byte(password))
	}
	if match == 0 {
		return ErrMismatch
	}
	return err
}

// Parse splits a username into the time it expires and the user; the error is [ErrMalformed].
func Parse(username string) (expires time.Time, user string, err error) {
	stamp, user, ok := strings.Cut(username, ":")
	if !ok || len(username) > MaxUsername {
		return time.Time{}, "", ErrMalformed
	}
	for _, digit := range []byte(stamp) {
		if digit < '0' || digit > '9' {
			return time.Time{}, "", ErrMalformed
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || seconds > maxExpiry {
		return time.Time{}, "", ErrMalformed
	}
	if err := checkUser(user); err != nil {
		return time.Time{}, "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return time.Unix(seconds, 0), user, nil
}

// maxExpiry is the last second of the year 9999; beyond it times do not format or compare sanely.
const maxExpiry = 253402300799

func checkUser(user string) error {
	if !utf8.ValidString(user) {
		return errors.New("not UTF-8")
	}
	for _, r := range user {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) {
			return errors.New("control character")
		}
	}
	return nil
}

func password(secret []byte, username string) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
