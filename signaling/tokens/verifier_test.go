package tokens

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

func TestTokensOfEveryAlgorithmAreTaken(t *testing.T) {
	f := newFixture(t, all(t))
	want := Claims{
		Subject: "ada", Name: "Ada", Rooms: []string{"lobby", "team-*"}, Can: []Verb{Join, Signal},
		Expires: start.Add(time.Hour),
	}
	for name, tok := range map[string]string{
		"HS256": token(head("HS256", ""), good(nil), []byte(secret)),
		"HS256 with a key id, which means nothing": token(head("HS256", "rsa"), good(nil), []byte(secret)),
		"RS256":                                token(head("RS256", "rsa"), good(nil), rsaKey()),
		"RS256 by another key":                 token(head("RS256", "other"), good(nil), otherRSA()),
		"ES256":                                token(head("ES256", "ec"), good(nil), ecKey()),
		"ES256 without a key id, the only key": token(head("ES256", ""), good(nil), ecKey()),
		"EdDSA":                                token(head("EdDSA", "ed"), good(nil), edKey()),
		"EdDSA without a key id, the only key": token(head("EdDSA", ""), good(nil), edKey()),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := f.verify(t, tok); err != nil || !equal(got, want) {
				t.Errorf("Verify = %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestAnyOfTheSecretsMayVerify(t *testing.T) {
	second := strings.Repeat("s", 32)
	f := newFixture(t, Config{Secrets: []string{secret, second}})
	for _, s := range []string{secret, second} {
		if _, err := f.verify(t, token(head("HS256", ""), good(nil), []byte(s))); err != nil {
			t.Errorf("signed with %q: %v", s, err)
		}
	}
	if _, err := f.verify(t, token(head("HS256", ""), good(nil), []byte(strings.Repeat("x", 32)))); !errors.Is(err, ErrSignature) {
		t.Errorf("signed with a third: %v, want ErrSignature", err)
	}
}

func TestOnlyTheAlgorithmsOfTheConfigurationAreTaken(t *testing.T) {
	keysOnly, secretsOnly := all(t), Config{Secrets: []string{secret}}
	keysOnly.Secrets = nil
	for _, c := range []struct {
		cfg           Config
		algorithm, id string
		private       any
		want          error
	}{
		{keysOnly, "HS256", "", []byte(secret), ErrAlgorithm},
		{keysOnly, "HS256", "", []byte{}, ErrAlgorithm},
		{keysOnly, "RS256", "rsa", rsaKey(), nil},
		{secretsOnly, "HS256", "", []byte(secret), nil},
		{secretsOnly, "RS256", "rsa", rsaKey(), ErrAlgorithm},
		{secretsOnly, "ES256", "ec", ecKey(), ErrAlgorithm},
		{secretsOnly, "EdDSA", "ed", edKey(), ErrAlgorithm},
	} {
		f := newFixture(t, c.cfg)
		if _, err := f.verify(t, token(head(c.algorithm, c.id), good(nil), c.private)); !errors.Is(err, c.want) {
			t.Errorf("%s with JWKSURL %q: %v, want %v", c.algorithm, c.cfg.JWKSURL, err, c.want)
		}
	}
}

func TestATokenEndsAfterTheLeeway(t *testing.T) {
	f := newFixture(t, Config{Secrets: []string{secret}, Leeway: time.Minute})
	tok := token(head("HS256", ""), good(members{"nbf": start.Unix()}), []byte(secret))
	for _, c := range []struct {
		at   time.Duration
		want error
	}{
		{-time.Minute - time.Second, ErrNotYetValid},
		{-time.Minute, nil},
		{0, nil},
		{time.Hour, nil},
		{time.Hour + time.Minute - 1, nil},
		{time.Hour + time.Minute, ErrExpired},
	} {
		f.clock.set(start.Add(c.at))
		if _, err := f.verify(t, tok); !errors.Is(err, c.want) {
			t.Errorf("at %v: %v, want %v", c.at, err, c.want)
		}
	}
}

func TestAuthenticateReadsTheBearerToken(t *testing.T) {
	f := newFixture(t, Config{Secrets: []string{secret}})
	tok := token(head("HS256", ""), good(nil), []byte(secret))
	for name, c := range map[string]struct {
		headers []string
		want    error
	}{
		"a bearer token":                       {[]string{"Bearer " + tok}, nil},
		"the scheme in another case":           {[]string{"bEARER " + tok}, nil},
		"more than one space":                  {[]string{"Bearer   " + tok}, nil},
		"no header":                            {nil, ErrMissing},
		"an empty header":                      {[]string{""}, ErrMissing},
		"another scheme":                       {[]string{"Basic YWRhOmFkYQ"}, ErrMissing},
		"a scheme that only begins with it":    {[]string{"BearerX " + tok}, ErrMissing},
		"a scheme and nothing else":            {[]string{"Bearer"}, ErrMissing},
		"a scheme and a space":                 {[]string{"Bearer "}, ErrMissing},
		"a token without a scheme":             {[]string{tok}, ErrMissing},
		"two headers":                          {[]string{"Bearer " + tok, "Bearer " + tok}, ErrMalformed},
		"two tokens in one header":             {[]string{"Bearer " + tok + " " + tok}, ErrMalformed},
		"two tokens in one header, with comma": {[]string{"Bearer " + tok + ", Bearer " + tok}, ErrMalformed},
		"a token in quotes":                    {[]string{`Bearer "` + tok + `"`}, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/v1/rooms/lobby/sessions", nil)
			r.Header["Authorization"] = c.headers
			id, err := f.Authenticate(r)
			if !errors.Is(err, c.want) {
				t.Fatalf("Authenticate = %v, want %v", err, c.want)
			}
			claims, _ := id.Claims.(Claims)
			switch {
			case err == nil && (id.Subject != "ada" || id.Name != "Ada" || claims.Subject != "ada"):
				t.Errorf("identity = %+v, want Ada's, with her claims", id)
			case err == nil && !id.Expires.Equal(start.Add(time.Hour+10*time.Second)):
				t.Errorf("identity expires at %v, want at the token's end and the leeway", id.Expires)
			case err != nil && id.Claims != nil:
				t.Errorf("identity = %+v with an error, want none", id)
			}
		})
	}
}

func TestRefusalsAreForTheClient(t *testing.T) {
	texts := map[string]error{}
	codes := map[error]string{
		ErrMissing: "unauthorized", ErrMalformed: "unauthorized", ErrAlgorithm: "unauthorized",
		ErrUnknownKey: "unauthorized", ErrSignature: "unauthorized", ErrExpired: "unauthorized",
		ErrNotYetValid: "unauthorized", ErrIssuer: "unauthorized", ErrAudience: "unauthorized",
		ErrClaims: "unauthorized", ErrUnavailable: "unavailable", ErrRoom: "forbidden", ErrVerb: "forbidden",
	}
	for sentinel, want := range codes {
		var e *signaling.Error
		if !errors.As(sentinel, &e) {
			t.Fatalf("%v wraps no *signaling.Error", sentinel)
		}
		if e.Code != want || e.Message == "" {
			t.Errorf("%v is %q with message %q, want %s and a message", sentinel, e.Code, e.Message, want)
		}
		if other := texts[e.Message]; other != nil {
			t.Errorf("two refusals say %q", e.Message)
		}
		texts[e.Message] = sentinel
	}
}

func TestAuthorizeFollowsRoomsAndCan(t *testing.T) {
	f := newFixture(t, Config{Secrets: []string{secret}})
	for name, c := range map[string]struct {
		rooms, can any // claims; nil: absent
		verb, room string
		want       error
	}{
		"a room by its name":                     {[]string{"lobby"}, []string{"join"}, "join", "lobby", nil},
		"each verb by its name, signal":          {[]string{"lobby"}, []string{"join", "signal"}, "signal", "lobby", nil},
		"each verb by its name, broadcast":       {[]string{"lobby"}, []string{"broadcast"}, "broadcast", "lobby", nil},
		"no verb stands for another":             {[]string{"lobby"}, []string{"join", "signal"}, "broadcast", "lobby", ErrVerb},
		"no rooms claim":                         {nil, []string{"join"}, "join", "lobby", ErrRoom},
		"no can claim":                           {[]string{"lobby"}, nil, "join", "lobby", ErrVerb},
		"empty claims":                           {[]string{}, []string{}, "join", "lobby", ErrRoom},
		"a verb that nobody knows":               {[]string{"lobby"}, []string{"dance"}, "dance", "lobby", ErrVerb},
		"no verb at all":                         {[]string{"lobby"}, []string{""}, "", "lobby", ErrVerb},
		"a star is no verb":                      {[]string{"lobby"}, []string{"*"}, "join", "lobby", ErrVerb},
		"a verb in another case":                 {[]string{"lobby"}, []string{"JOIN"}, "join", "lobby", ErrVerb},
		"a room in another case":                 {[]string{"Lobby"}, []string{"join"}, "join", "lobby", ErrRoom},
		"an exact name is no prefix":             {[]string{"lobby"}, []string{"join"}, "join", "lobby-2", ErrRoom},
		"a prefix matches itself":                {[]string{"team-*"}, []string{"join"}, "join", "team-", nil},
		"a prefix matches what follows":          {[]string{"team-*"}, []string{"join"}, "join", "team-a", nil},
		"a prefix does not match what is less":   {[]string{"team-*"}, []string{"join"}, "join", "team", ErrRoom},
		"a prefix does not match inside":         {[]string{"team-*"}, []string{"join"}, "join", "my-team-a", ErrRoom},
		"a star matches everything":              {[]string{"*"}, []string{"join"}, "join", "lobby", nil},
		"a star in the middle is itself":         {[]string{"a*b"}, []string{"join"}, "join", "axb", ErrRoom},
		"a star at the start is itself":          {[]string{"*b"}, []string{"join"}, "join", "ab", ErrRoom},
		"two stars are one and itself":           {[]string{"a**"}, []string{"join"}, "join", "ab", ErrRoom},
		"an empty name is no room":               {[]string{""}, []string{"join"}, "join", "lobby", ErrRoom},
		"one of several rooms is enough":         {[]string{"x", "y-*", "lobby"}, []string{"join"}, "join", "lobby", nil},
		"what no pattern of regexps would match": {[]string{"l.bby", "[a-z]*", "^"}, []string{"join"}, "join", "lobby", ErrRoom},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set("Authorization", "Bearer "+
				token(head("HS256", ""), good(members{"rooms": c.rooms, "can": c.can}), []byte(secret)))
			id, err := f.Authenticate(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Authorize(t.Context(), id, signaling.Action{Verb: c.verb, Room: c.room}); !errors.Is(err, c.want) {
				t.Errorf("Authorize = %v, want %v", err, c.want)
			}
		})
	}
}

func TestAuthorizeAllowsNothingWithoutClaims(t *testing.T) {
	f := newFixture(t, Config{Secrets: []string{secret}})
	for _, id := range []signaling.Identity{
		{},
		{Subject: "ada", Claims: "*"},
		{Subject: "ada", Claims: &Claims{Rooms: []string{"*"}, Can: []Verb{Join}}},
		{Subject: "ada", Claims: Claims{}},
	} {
		if err := f.Authorize(t.Context(), id, signaling.Action{Verb: "join", Room: "lobby"}); err == nil {
			t.Errorf("%+v may join, want not", id)
		}
	}
}

func TestPrefixesMatchAsStringsDo(t *testing.T) {
	const names = "-.ab" // all room names of up to four of these
	rooms := []string{""}
	for i := 0; len(rooms[i]) < 4; i++ {
		for _, c := range names {
			rooms = append(rooms, rooms[i]+string(c))
		}
	}
	for _, prefix := range rooms {
		if len(prefix) > 2 {
			break
		}
		for _, room := range rooms[1:] {
			if got, want := (Claims{Rooms: []string{prefix + "*"}}).room(room), strings.HasPrefix(room, prefix); got != want {
				t.Errorf("%s* on %s: %v, want %v", prefix, room, got, want)
			}
			if got, want := (Claims{Rooms: []string{prefix}}).room(room), room == prefix; got != want {
				t.Errorf("%s on %s: %v, want %v", prefix, room, got, want)
			}
			if (Claims{Rooms: []string{"*" + prefix + "a", prefix + "*a*", prefix + "*b"}}).room(room) {
				t.Errorf("stars inside %q allow %s", prefix, room)
			}
		}
	}
}

func TestOneVerifierServesManyAtOnce(t *testing.T) {
	f := newFixture(t, all(t))
	valid := []string{
		token(head("RS256", "rsa"), good(nil), rsaKey()), token(head("ES256", "ec"), good(nil), ecKey()),
		token(head("EdDSA", "ed"), good(nil), edKey()), token(head("HS256", ""), good(nil), []byte(secret)),
	}
	var ended sync.WaitGroup
	for tok := range slices.Values(slices.Repeat(valid, 8)) {
		ended.Go(func() {
			if _, err := f.verify(t, tok); err != nil {
				t.Error(err)
			}
			if _, err := f.verify(t, tok[:len(tok)-8]); err == nil {
				t.Error("a token cut short is taken")
			}
		})
	}
	ended.Wait()
}
