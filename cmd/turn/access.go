package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/relay"
	"github.com/parley-rtc/parley/relay/credentials"
)

// access sets who may use the relay and whom they may reach, from the flags and from the files that they name as those are now. The
// error names the flag, and of a file the line.
func (f flags) access(cfg *relay.Config, log *slog.Logger) error {
	cfg.AllowPeers, cfg.DenyPeers = prefixes(f.AllowPeer), prefixes(f.DenyPeer)
	if f.PeersFile != "" {
		if err := daemon.ReadLines("--peers-file", f.PeersFile, func(line string) error { return peerRule(cfg, line) }); err != nil {
			return err
		}
	}
	cfg.Users = nil
	for i, user := range f.User {
		if err := addUser(cfg, user); err != nil {
			return fmt.Errorf("--user: number %d: %w", i+1, err)
		}
	}
	if f.UserFile != "" {
		if err := daemon.ReadLines("--user-file", f.UserFile, func(line string) error { return addUser(cfg, line) }); err != nil {
			return err
		}
	}
	secrets := slices.Clone(f.Secret)
	daemon.WarnOfShort(log, "--secret", secrets)
	if f.SecretFile != "" {
		more, err := daemon.ReadSecrets("--secret-file", f.SecretFile)
		if err != nil {
			return err
		}
		daemon.WarnOfShort(log, "--secret-file", more)
		secrets = slices.Concat(more, secrets)
	}
	cfg.Keyring = nil
	if secrets != nil {
		keyring, err := credentials.New(secrets...)
		if err != nil {
			return fmt.Errorf("--secret: %w", err)
		}
		cfg.Keyring = keyring
	}
	if cfg.Keyring == nil && cfg.Users == nil {
		return fmt.Errorf("--user-file: %s: there is no user in it, and neither --user nor a secret is given", f.UserFile)
	}
	return nil
}

// addUser adds a user given as name:password.
func addUser(cfg *relay.Config, user string) error {
	name, password, ok := strings.Cut(user, ":")
	switch {
	case !ok || name == "" || password == "":
		return fmt.Errorf("%q is not of the form name:password", hidden(user))
	case len(name) > credentials.MaxUsername:
		return fmt.Errorf("the name is %d bytes long, at most %d are allowed", len(name), credentials.MaxUsername)
	}
	if _, twice := cfg.Users[name]; twice {
		return fmt.Errorf("%q is given twice", name)
	}
	if cfg.Users == nil {
		cfg.Users = make(map[string]string)
	}
	cfg.Users[name] = password
	return nil
}

// hidden returns what can be shown of a user: not the password. What has no colon may be one alone.
func hidden(user string) string {
	name, _, ok := strings.Cut(user, ":")
	if !ok {
		return "…"
	}
	return name + ":…"
}

// peerRule adds a rule given as "allow CIDR" or "deny CIDR"; a single address is its own range.
func peerRule(cfg *relay.Config, line string) error {
	fields := strings.Fields(line)
	if len(fields) != 2 || fields[0] != "allow" && fields[0] != "deny" {
		return errors.New(`it is not of the form "allow CIDR" or "deny CIDR"`)
	}
	prefix, err := parseNetwork(fields[1])
	if err != nil {
		return err
	}
	if fields[0] == "allow" {
		cfg.AllowPeers = append(cfg.AllowPeers, prefix)
	} else {
		cfg.DenyPeers = append(cfg.DenyPeers, prefix)
	}
	return nil
}
