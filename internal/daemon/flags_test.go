package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

type testFlags struct {
	Name  string    `help:"A name." default:"nobody" env:"PARLEY_NAME"`
	Size  int       `help:"A size." env:"PARLEY_SIZE"`
	Ports PortRange `help:"Some ports." default:"1-2" env:"PARLEY_PORTS"`
	Each  []string  `help:"Some words." env:"PARLEY_EACH"`

	LogFlags

	Version VersionFlag `help:"Print the version."`
}

var testProgram = Program{Name: "testing", Description: "Shows how flags are read."}

func TestParseFlags(t *testing.T) {
	// What the process's own environment says must not matter.
	t.Setenv("PARLEY_NAME", "the environment")
	t.Setenv("PARLEY_SIZE", "not a number")
	tests := map[string]struct {
		args []string
		env  map[string]string
		want testFlags
	}{
		"nothing given":                  {want: testFlags{Name: "nobody", Ports: PortRange{1, 2}}},
		"flags":                          {args: []string{"--name=alice", "--size", "7", "--each=a", "--each=b"}, want: testFlags{Name: "alice", Size: 7, Ports: PortRange{1, 2}, Each: []string{"a", "b"}}},
		"the environment":                {env: map[string]string{"PARLEY_NAME": "bob", "PARLEY_SIZE": "8", "PARLEY_EACH": "c,d"}, want: testFlags{Name: "bob", Size: 8, Ports: PortRange{1, 2}, Each: []string{"c", "d"}}},
		"a flag and the environment":     {args: []string{"--name=alice"}, env: map[string]string{"PARLEY_NAME": "bob", "PARLEY_SIZE": "8"}, want: testFlags{Name: "alice", Size: 8, Ports: PortRange{1, 2}}},
		"a flag over a wrong variable":   {args: []string{"--size=7"}, env: map[string]string{"PARLEY_SIZE": "big"}, want: testFlags{Name: "nobody", Size: 7, Ports: PortRange{1, 2}}},
		"an empty variable is no value":  {env: map[string]string{"PARLEY_NAME": "", "PARLEY_PORTS": ""}, want: testFlags{Name: "nobody", Ports: PortRange{1, 2}}},
		"a number below zero":            {args: []string{"--name", "-7up", "--size", "-7"}, want: testFlags{Name: "-7up", Size: -7, Ports: PortRange{1, 2}}},
		"a type that reads its own text": {env: map[string]string{"PARLEY_PORTS": "7-9"}, want: testFlags{Name: "nobody", Ports: PortRange{7, 9}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got testFlags
			if err := ParseFlags(testProgram, &got, test.args, getenv(test.env), &bytes.Buffer{}); err != nil {
				t.Fatal(err)
			}
			if got.Name != test.want.Name || got.Size != test.want.Size || got.Ports != test.want.Ports || !slices.Equal(got.Each, test.want.Each) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if got.LogLevel.Level != slog.LevelInfo || got.LogFormat != "text" {
				t.Errorf("log flags are %+v, want the defaults", got.LogFlags)
			}
		})
	}
}

func TestParseFlagsReportsWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		args []string
		env  map[string]string
		want []string
	}{
		"a flag that does not exist": {args: []string{"--colour"}, want: []string{"--colour"}},
		"an argument":                {args: []string{"file"}, want: []string{"file"}},
		"a flag's value":             {args: []string{"--size=big"}, want: []string{"--size", "big"}},
		"a variable's value":         {env: map[string]string{"PARLEY_SIZE": "big"}, want: []string{"--size", "big", "PARLEY_SIZE"}},
		"a value of a few":           {args: []string{"--log-format=xml"}, want: []string{"--log-format", "xml", "json"}},
		"a variable of a few":        {env: map[string]string{"PARLEY_LOG_FORMAT": "xml"}, want: []string{"--log-format", "xml", "PARLEY_LOG_FORMAT"}},
		"a log level":                {args: []string{"--log-level=loud"}, want: []string{"--log-level", "loud", "debug, info, warn and error"}},
		"a negative argument":        {args: []string{"--", "-5"}, want: []string{"-5"}},
		"a negative range":           {args: []string{"--ports", "-5"}, want: []string{"--ports", "1 to 65535"}},
		"a range":                    {args: []string{"--ports=9-7"}, want: []string{"--ports", "9-7"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := ParseFlags(testProgram, &testFlags{}, test.args, getenv(test.env), &bytes.Buffer{})
			if _, ok := errors.AsType[*UsageError](err); !ok {
				t.Fatalf("got %v, want a usage error", err)
			}
			if strings.Contains(err.Error(), "perhaps try") {
				t.Errorf("error %q is in the parser's words", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not mention %q", err, want)
				}
			}
		})
	}
}

func TestHelpAndVersionArePrinted(t *testing.T) {
	for flag, wants := range map[string][]string{
		"--help":    {"testing [flags]", "Shows how flags are read.", "PARLEY_NAME", "nobody", "PARLEY_LOG_LEVEL"},
		"--version": {"testing " + Version() + "\n"},
	} {
		var stdout bytes.Buffer
		err := ParseFlags(testProgram, &testFlags{}, []string{flag}, getenv(nil), &stdout)
		if !errors.Is(err, ErrHelp) {
			t.Errorf("%s: got %v, want ErrHelp", flag, err)
		}
		for _, want := range wants {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%s: output lacks %q:\n%s", flag, want, &stdout)
			}
		}
	}
}

func TestPortRange(t *testing.T) {
	tests := map[string]struct {
		text string
		want PortRange
		err  string
	}{
		"a range":                     {text: "49152-65535", want: PortRange{49152, 65535}},
		"one port":                    {text: "50000", want: PortRange{50000, 50000}},
		"a range of one":              {text: "50000-50000", want: PortRange{50000, 50000}},
		"blanks":                      {text: " 1 - 2 ", want: PortRange{1, 2}},
		"nothing":                     {text: "", err: "first port"},
		"port 0":                      {text: "0-10", err: "first port"},
		"a port above the last":       {text: "1-65536", err: "1 to 65535"},
		"words":                       {text: "low-high", err: `"low"`},
		"no end":                      {text: "1-", err: "last port"},
		"two dashes":                  {text: "1-2-3", err: `"2-3"`},
		"a negative port":             {text: "-1", err: "first port"},
		"the ports the wrong way":     {text: "2-1", err: "first port 2 is above the last, 1"},
		"a port that overflows a lot": {text: "99999999999999999999", err: "1 to 65535"},
	}
	for name, test := range tests {
		var got PortRange
		err := got.UnmarshalText([]byte(test.text))
		switch {
		case test.err == "" && (err != nil || got != test.want):
			t.Errorf("%s: got %v, %v, want %v", name, got, err, test.want)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: got error %v, want one with %q", name, err, test.err)
		}
	}
	if r := (PortRange{10, 19}); r.Len() != 10 || r.String() != "10-19" {
		t.Errorf("Len = %d, String = %q, want 10 and 10-19", r.Len(), r)
	}
}

func getenv(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}
