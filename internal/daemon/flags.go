package daemon

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// ErrHelp is returned by [ParseFlags] when the command line asked for help or the version, which
// has then been printed. [Main] exits with 0 for it.
var ErrHelp = errors.New("help was asked for")

// Program names a command in its help.
type Program struct {
	Name        string // as typed, such as "turn"
	Description string // one or two sentences
}

// VersionFlag is a field for a --version flag: it prints [Version] and ends the parsing.
type VersionFlag = kong.VersionFlag

// ParseFlags fills the struct that into points to from args and, for flags with an env tag that are
// not on the command line, from getenv; the process's own environment is not looked at. An empty
// variable counts as unset. A repeatable flag's variable holds its values separated by commas. The
// error is [ErrHelp] or a [UsageError].
func ParseFlags(p Program, into any, args []string, getenv func(string) string, stdout io.Writer) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exited:
			err = ErrHelp
		default:
			panic(r)
		}
	}()
	parser, err := kong.New(into,
		kong.Name(p.Name),
		kong.Description(p.Description),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { panic(exited{}) }),
		kong.Vars{"version": p.Name + " " + Version()},
	)
	if err != nil {
		return fmt.Errorf("declare the flags of %s: %w", p.Name, err)
	}
	env := takeEnvironment(parser)
	if err := kong.Resolvers(env.resolver(getenv)).Apply(parser); err != nil {
		return fmt.Errorf("declare the flags of %s: %w", p.Name, err)
	}
	if _, err := parser.Parse(joinNegatives(parser, args)); err != nil {
		return &UsageError{Err: env.explain(err, getenv)}
	}
	return nil
}

// exited is what kong's exit hook panics with, so that ParseFlags returns instead.
type exited struct{}

// environment maps a flag's name to the variable that stands in for it.
type environment map[string]string

// takeEnvironment removes the variables from the flags, so that kong does not read the process's
// environment, and writes them into the help texts instead.
func takeEnvironment(parser *kong.Kong) environment {
	env := environment{}
	for _, flags := range parser.Model.AllFlags(false) {
		for _, flag := range flags {
			if len(flag.Tag.Envs) == 0 {
				continue
			}
			env[flag.Name] = flag.Tag.Envs[0]
			flag.Help = strings.TrimSpace(flag.Help + " ($" + flag.Tag.Envs[0] + ")")
			flag.Tag.Envs, flag.Envs = nil, nil
		}
	}
	return env
}

func (e environment) resolver(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value := getenv(e[flag.Name]); e[flag.Name] != "" && value != "" {
			return value, nil
		}
		return nil, nil
	})
}

// explain adds the variable to an error about a flag whose value came from the environment.
func (e environment) explain(err error, getenv func(string) string) error {
	for flag, variable := range e {
		name, _, _ := strings.Cut(err.Error(), " ")
		if strings.TrimSuffix(name, ":") == "--"+flag && getenv(variable) != "" {
			return fmt.Errorf("%w (from %s)", err, variable)
		}
	}
	return err
}
