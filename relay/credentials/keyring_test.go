package credentials_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
)

// now is before the vectors' expiry, 1700000000.
var now = time.Unix(1700000000-3600, 0)

func TestMintAgreesWithOtherImplementations(t *testing.T) {
	// Made with: printf %s "$username" | openssl dgst -sha1 -hmac "$secret" -binary | base64
	tests := map[string]struct {
		secret, user       string
		ttl                time.Duration
		username, password string
	}{
		"an ordinary user": {"north", "alice", time.Hour, "1700000000:alice", "Cd/49soE35ICqcJF/bCTn8Z4OyE="},
		"another secret":   {"south", "alice", time.Hour, "1700000000:alice", "FJeNoC0yJtNekwCa5JT/sW/1Ls4="},
		"no user":          {"north", "", 61 * time.Minute, "1700000060:", "pg28CAPDVY0DzrtXMFFWRuLLZ54="},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := keyring(t, test.secret).Mint(test.user, now, test.ttl)
			if err != nil {
				t.Fatalf("Mint: %v", err)
			}
			if got.Username != test.username || got.Password != test.password {
				t.Errorf("got %q %q, want %q %q", got.Username, got.Password, test.username, test.password)
			}
			if want := now.Add(test.ttl); !got.Expires.Equal(want) {
				t.Errorf("Expires = %v, want %v", got.Expires, want)
			}
		})
	}
}

func TestMintRoundsExpiryUp(t *testing.T) {
	got, err := keyring(t, "north").Mint("alice", now, 1500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if want := now.Add(2 * time.Second); !got.Expires.Equal(want) {
		t.Errorf("Expires = %v, want %v", got.Expires, want)
	}
}

func TestMintRefuses(t *testing.T) {
	tests := map[string]struct {
		user string
		ttl  time.Duration
	}{
		"no time at all":          {"alice", 0},
		"time that is over":       {"alice", -time.Second},
		"a newline in the user":   {"al\nice", time.Hour},
		"a zero byte in the user": {"al\x00ice", time.Hour},
		"a C1 control character":  {"al\u0085ice", time.Hour},
		"a user that is not text": {"al\xffice", time.Hour},
		"a user that is too long": {strings.Repeat("a", 508), time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := keyring(t, "north").Mint(test.user, now, test.ttl)
			if err == nil {
				t.Errorf("got %+v, want an error", got)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for name, secrets := range map[string][]string{
		"no secret":                 {},
		"an empty secret":           {""},
		"an empty one among others": {"north", "", "south"},
	} {
		if _, err := credentials.New(secrets...); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestLookupGivesOnePasswordPerKeyInOrder(t *testing.T) {
	got, err := keyring(t, "south", "north").Lookup("1700000000:alice", now)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"FJeNoC0yJtNekwCa5JT/sW/1Ls4=", "Cd/49soE35ICqcJF/bCTn8Z4OyE="}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLookupOfAnExpiredUsernameStillGivesPasswords(t *testing.T) {
	got, err := keyring(t, "north").Lookup("1700000000:alice", time.Unix(1700000000, 0))
	if !errors.Is(err, credentials.ErrExpired) {
		t.Errorf("error = %v, want ErrExpired", err)
	}
	if len(got) != 1 || got[0] != "Cd/49soE35ICqcJF/bCTn8Z4OyE=" {
		t.Errorf("passwords = %q, want the right one", got)
	}
}

func TestLookupRefusesMalformedUsernames(t *testing.T) {
	for name, username := range map[string]string{
		"empty":                         "",
		"no colon":                      "1700000000",
		"no expiry":                     ":alice",
		"an expiry that is a word":      "soon:alice",
		"a negative expiry":             "-1:alice",
		"an expiry with a plus":         "+1700000000:alice",
		"an expiry beyond 64 bits":      "99999999999999999999:alice",
		"an expiry beyond the year":     "253402300800:alice",
		"a control character":           "1700000000:al\x1bice",
		"a byte that is not UTF-8":      "1700000000:\xff",
		"longer than STUN can carry":    "1700000000:" + strings.Repeat("a", 500),
		"user and expiry the wrong way": "alice:1700000000",
	} {
		passwords, err := keyring(t, "north").Lookup(username, now)
		if !errors.Is(err, credentials.ErrMalformed) || passwords != nil {
			t.Errorf("%s: got %q, %v, want ErrMalformed", name, passwords, err)
		}
	}
}

func TestVerify(t *testing.T) {
	const username, right, south = "1700000000:alice", "Cd/49soE35ICqcJF/bCTn8Z4OyE=", "FJeNoC0yJtNekwCa5JT/sW/1Ls4="
	late := time.Unix(1700000001, 0)
	tests := map[string]struct {
		username, password string
		now                time.Time
		want               error
	}{
		"right under the first key":  {username, right, now, nil},
		"right under the second key": {username, south, now, nil},
		"right, but too late":        {username, right, late, credentials.ErrExpired},
		"wrong":                      {username, "wrong", now, credentials.ErrMismatch},
		"empty":                      {username, "", now, credentials.ErrMismatch},
		"wrong and too late":         {username, "wrong", late, credentials.ErrMismatch},
		"another's password":         {"1700000000:bob", right, now, credentials.ErrMismatch},
		"a longer life than minted":  {"1800000000:alice", right, now, credentials.ErrMismatch},
		"malformed":                  {"alice", right, now, credentials.ErrMalformed},
	}
	ring := keyring(t, "north", "south")
	for name, test := range tests {
		if err := ring.Verify(test.username, test.password, test.now); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1700000000:alice", "1700000000:", ":", "0:a:b", "-1:x", "٣:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, username string) {
		expires, user, err := credentials.Parse(username)
		if err != nil {
			return
		}
		if !strings.HasSuffix(username, ":"+user) || expires.Unix() < 0 {
			t.Errorf("Parse(%q) = %v, %q", username, expires, user)
		}
	})
}

func keyring(t *testing.T, secrets ...string) *credentials.Keyring {
	t.Helper()
	ring, err := credentials.New(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestLen(t *testing.T) {
	ring, err := credentials.New("new", "old")
	if err != nil {
		t.Fatal(err)
	}
	if none := (*credentials.Keyring)(nil); ring.Len() != 2 || none.Len() != 0 {
		t.Errorf("got %d and %d, want 2 and 0", ring.Len(), none.Len())
	}
}
