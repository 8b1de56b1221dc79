package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/probe"
	"github.com/parley-rtc/parley/relay/credentials"
)

var checkProgram = daemon.Program{
	Name: "turn check",
	Description: "Tests a relay that runs, from outside and as clients use it, step by step: the way there, certificate, credentials, and packets from one " +
		"allocation to another. It exits with 1 and says which step failed, and probably why.",
}

// checkFlags are the command line of turn check.
type checkFlags struct {
	URL []string `arg:"" help:"STUN or TURN URLs as clients are given them, such as turn:relay.example:3478?transport=udp (or tcp) and turns:relay.example:5349."`

	Secret     []string      `help:"Secret that the relay shares with whoever mints credentials; some are minted with it. Of several, as a relay is given them, the first." env:"PARLEY_SECRET"`
	SecretFile string        `help:"File with that secret on its first line." env:"PARLEY_SECRET_FILE" placeholder:"FILE"`
	TTL        time.Duration `name:"ttl" help:"How long those are to be good." default:"5m"`
	User       []string      `help:"User with a fixed password, instead of a secret. Of several the first." env:"PARLEY_USER" placeholder:"NAME:PASSWORD"`

	Insecure bool          `help:"Take any certificate, for tests."`
	Timeout  time.Duration `help:"How long each step may take." default:"5s"`
}

// checkUser is what a relay knows the check by; its log has it.
const checkUser = "turn-check"

// check tests relays and prints a line for each step. The error names the first step that failed.
func check(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var f checkFlags
	if err := daemon.ParseFlags(checkProgram, &f, args, getenv, stdout); err != nil {
		return err
	}
	targets, err := f.targets()
	if err != nil {
		return &daemon.UsageError{Err: err}
	}
	var failures []string
	for _, target := range targets {
		_, _ = fmt.Fprintf(stdout, "%s\n", target.URI) // nobody is watching
		failed := probe.Check(ctx, target, func(s probe.Step) { _, _ = io.WriteString(stdout, lineOf(s)) })
		if failed != nil {
			failures = append(failures, fmt.Sprintf("%s: %s: %v", target.URI, failed.Name, failed.Err))
		}
	}
	if failures != nil {
		return errors.New("check failed: " + strings.Join(failures, "; "))
	}
	return ctx.Err()
}

// lineOf returns what is printed of a step.
func lineOf(s probe.Step) string {
	outcome := "ok"
	switch {
	case s.Err != nil:
		outcome = "FAIL"
	case s.Skipped:
		outcome = "skip"
	}
	line := fmt.Sprintf("  %-4s  %-17s  %8s  %s", outcome, s.Name, s.Took.Round(100*time.Microsecond), s.Found)
	if s.Err != nil {
		cause, _, _ := strings.Cut(s.Err.Error(), " (possibly because") // of roots that were tried
		line = strings.TrimRight(line, " ") + "  " + strings.ReplaceAll(cause, "\n", "; ")
	}
	line = strings.TrimRight(line, " ") + "\n"
	if s.Warning != "" {
		line += "        warning: " + s.Warning + "\n"
	}
	if s.Cure != "" {
		line += "        likely: " + s.Cure + "\n"
	}
	return line
}

// targets returns what to test; the error names the flag or the URL.
func (f checkFlags) targets() ([]probe.Target, error) {
	access, err := f.access()
	if err != nil {
		return nil, err
	}
	if f.TTL < time.Second || f.Timeout < time.Millisecond {
		return nil, errors.New("--ttl and --timeout must be at least 1s and 1ms")
	}
	var targets []probe.Target
	for _, text := range f.URL {
		uri, err := stun.ParseURI(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a URL like turn:relay.example:3478?transport=udp: %w", text, err)
		}
		target := probe.Target{URI: *uri, TTL: f.TTL, Insecure: f.Insecure, Timeout: f.Timeout}
		if uri.Scheme == stun.SchemeTypeTURN || uri.Scheme == stun.SchemeTypeTURNS {
			if access == nil {
				return nil, fmt.Errorf("%s: TURN needs credentials: give --secret, --secret-file or --user", text)
			}
			target.Credentials, target.Minted = access, f.User == nil
		}
		targets = append(targets, target)
	}
	return targets, nil
}

// access returns what gives credentials, or nil if there are none.
func (f checkFlags) access() (func(time.Duration) (string, string, error), error) {
	given := 0
	for _, is := range []bool{f.Secret != nil, f.SecretFile != "", f.User != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, errors.New("--secret, --secret-file and --user: give one of them")
	case f.User != nil:
		name, password, ok := strings.Cut(strings.Join(f.User[:min(1, len(f.User))], ""), ":")
		if !ok || name == "" || password == "" {
			return nil, errors.New("--user: it is not of the form name:password")
		}
		return func(time.Duration) (string, string, error) { return name, password, nil }, nil
	case given == 0:
		return nil, nil
	}
	secrets := f.Secret
	if f.SecretFile != "" {
		var err error
		if secrets, err = daemon.ReadSecrets("--secret-file", f.SecretFile); err != nil {
			return nil, err
		}
	}
	keyring, err := credentials.New(secrets...) // the first one signs
	if err != nil {
		return nil, fmt.Errorf("--secret: %w", err)
	}
	return func(ttl time.Duration) (string, string, error) {
		credential, err := keyring.Mint(checkUser, time.Now(), ttl)
		return credential.Username, credential.Password, err
	}, nil
}
