package daemon

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestSTUNServers(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		env  string
		want []string
		err  string
	}{
		"none":                      {},
		"with a port":               {args: []string{"--probe-stun", "stun.example:19302"}, want: []string{"stun.example:19302"}},
		"without a port":            {args: []string{"--probe-stun", "stun.example"}, want: []string{"stun.example:3478"}},
		"a name without a dot":      {args: []string{"--probe-stun=my_relay-1"}, want: []string{"my_relay-1:3478"}},
		"an address":                {args: []string{"--probe-stun=198.51.100.7"}, want: []string{"198.51.100.7:3478"}},
		"an IPv6 address":           {args: []string{"--probe-stun=2001:db8::7"}, want: []string{"[2001:db8::7]:3478"}},
		"one in brackets":           {args: []string{"--probe-stun=[2001:db8::7]"}, want: []string{"[2001:db8::7]:3478"}},
		"one with a port":           {args: []string{"--probe-stun=[2001:db8::7]:1"}, want: []string{"[2001:db8::7]:1"}},
		"given twice":               {args: []string{"--probe-stun=a.example", "--probe-stun=b.example:1"}, want: []string{"a.example:3478", "b.example:1"}},
		"of the environment":        {env: "a.example,b.example:1", want: []string{"a.example:3478", "b.example:1"}},
		"a flag over a variable":    {args: []string{"--probe-stun=c.example"}, env: "a.example", want: []string{"c.example:3478"}},
		"nothing":                   {args: []string{"--probe-stun="}, err: "empty"},
		"a wrong variable":          {env: "a.example,b example", err: "(from PARLEY_PROBE_STUN)"},
		"spaces":                    {args: []string{"--probe-stun=not a host"}, err: `"not a host"`},
		"a URL":                     {args: []string{"--probe-stun=http://stun.example"}, err: `"http://stun.example"`},
		"a port alone":              {args: []string{"--probe-stun=:3478"}, err: "no host is called so"},
		"a port that is none":       {args: []string{"--probe-stun=a.example:x"}, err: "1 to 65535"},
		"a port that is too high":   {args: []string{"--probe-stun=a.example:65536"}, err: "1 to 65535"},
		"a comma too many":          {args: []string{"--probe-stun=a.example,"}, err: "no host is called so"},
		"a flag instead of a value": {args: []string{"--probe-stun", "--log-level=info"}, err: "--probe-stun"},
	} {
		var flags struct {
			ProbeSTUN STUNServers `name:"probe-stun" env:"PARLEY_PROBE_STUN"`
			LogFlags
		}
		err := ParseFlags(testProgram, &flags, c.args, getenv(map[string]string{"PARLEY_PROBE_STUN": c.env}), &bytes.Buffer{})
		switch {
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "--probe-stun")):
			t.Errorf("%s: %v, want %q", name, err, c.err)
		case c.err == "" && (err != nil || !slices.Equal(flags.ProbeSTUN, c.want)):
			t.Errorf("%s: %v, %v, want %v", name, flags.ProbeSTUN, err, c.want)
		}
	}
}
