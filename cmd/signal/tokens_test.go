package main

import (
	"io"
	"strings"
	"testing"
)

func TestWhatIsWrongWithTokensIsInTheWordsOfTheFlags(t *testing.T) {
	good := strings.Repeat("s", 32)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a short secret":    {[]string{"--jwt-secret", "short"}, "--jwt-secret is 5 bytes; it must be at least 32"},
		"one of two":        {[]string{"--jwt-secret", good, "--jwt-secret", "short"}, "--jwt-secret: number 2 is 5 bytes; it must be at least 32"},
		"no URL":            {[]string{"--jwks-url", "foo"}, "--jwks-url: it is not like https://app.example/jwks.json"},
		"a URL without TLS": {[]string{"--jwks-url", "http://keys.example/x"}, "--jwks-url: http is only for loopback hosts"},
		"both": {
			[]string{"--jwt-secret", "short", "--jwks-url", "foo"},
			"--jwt-secret is 5 bytes; it must be at least 32; --jwks-url: it is not like https://app.example/jwks.json",
		},
	} {
		err := run(t.Context(), c.args, func(string) string { return "" }, io.Discard)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}
