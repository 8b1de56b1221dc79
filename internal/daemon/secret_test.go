package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestShortSecretsAreWarnedOf(t *testing.T) {
	for name, c := range map[string]struct {
		secrets []string
		want    int
	}{
		"long enough":            {[]string{"0123456789abcdef"}, 0},
		"a byte too short":       {[]string{"0123456789abcde"}, 1},
		"one of two is":          {[]string{"0123456789abcdef", "north"}, 1},
		"there are none":         {nil, 0},
		"two, and both are said": {[]string{"north", "south"}, 2},
	} {
		var out bytes.Buffer
		WarnOfShort(slog.New(slog.NewTextHandler(&out, nil)), "--secret", c.secrets)
		text := out.String()
		if got := strings.Count(text, "level=WARN"); got != c.want || strings.Count(text, "flag=--secret") != c.want {
			t.Errorf("%s: %d warnings, want %d:\n%s", name, got, c.want, text)
		}
		if strings.Contains(text, "north") {
			t.Errorf("%s: a secret is in the log", name)
		}
	}
}
