package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/relay"
	"github.com/parley-rtc/parley/relay/credentials"
)

var program = daemon.Program{
	Name:        "turn",
	Description: "Parley's relay: STUN and TURN over UDP, for peers that have no direct path.",
}

// flags are the command line. What is repeatable is separated by commas in the environment.
type flags struct {
	Listen        []string         `help:"UDP address to serve on; repeatable." default:":3478" env:"PARLEY_LISTEN"`
	PublicIP      netip.Addr       `name:"public-ip" help:"IPv4 address that peers reach this host under; found from the interfaces if not given." env:"PARLEY_PUBLIC_IP" placeholder:"IP"`
	Ports         daemon.PortRange `help:"Ports of relayed addresses." default:"49152-65535" env:"PARLEY_PORTS"`
	Realm         string           `help:"Authentication realm." default:"parley" env:"PARLEY_REALM"`
	Secret        []string         `help:"Secret shared with whoever mints time-limited credentials; repeatable, newest first. One is made up and printed if there is neither this nor --user." env:"PARLEY_SECRET"`
	User          []string         `help:"User with a fixed password; repeatable." env:"PARLEY_USER" placeholder:"NAME:PASSWORD"`
	AllowPeer     []netip.Prefix   `help:"Peers to allow although denied by default; repeatable." env:"PARLEY_ALLOW_PEER" placeholder:"CIDR"`
	DenyPeer      []netip.Prefix   `help:"Peers to deny in any case; repeatable." env:"PARLEY_DENY_PEER" placeholder:"CIDR"`
	AllowLoopback bool             `help:"Allow peers on this host's loopback addresses, for development." env:"PARLEY_ALLOW_LOOPBACK"`

	daemon.LogFlags

	Version daemon.VersionFlag `help:"Print the version and exit."`
}

// config returns the relay's configuration; the error names the flag that is wrong.
func (f flags) config() (relay.Config, error) {
	cfg := relay.Config{
		Realm:         f.Realm,
		PublicIP:      f.PublicIP,
		MinPort:       f.Ports.Min,
		MaxPort:       f.Ports.Max,
		AllowPeers:    f.AllowPeer,
		DenyPeers:     f.DenyPeer,
		AllowLoopback: f.AllowLoopback,
	}
	for flag, values := range map[string][]string{"--listen": f.Listen, "--secret": f.Secret, "--user": f.User} {
		if values != nil && len(values) == 0 {
			return cfg, fmt.Errorf("%s: the value is empty", flag)
		}
	}
	if !cfg.PublicIP.IsValid() {
		cfg.PublicIP = daemon.PublicIP()
	}
	if !cfg.PublicIP.Unmap().Is4() {
		return cfg, fmt.Errorf("--public-ip: %s is not an IPv4 address", cfg.PublicIP)
	}
	for i, user := range f.User {
		name, password, ok := strings.Cut(user, ":")
		if !ok || name == "" || password == "" {
			return cfg, fmt.Errorf("--user: %q, number %d, is not of the form name:password", hidden(user), i+1)
		}
		if cfg.Users == nil {
			cfg.Users = make(map[string]string)
		}
		if _, twice := cfg.Users[name]; twice {
			return cfg, fmt.Errorf("--user: %q is given twice", name)
		}
		cfg.Users[name] = password
	}
	if f.Secret != nil {
		keyring, err := credentials.New(f.Secret...)
		if err != nil {
			return cfg, fmt.Errorf("--secret: %w", err)
		}
		cfg.Keyring = keyring
	}
	return cfg, nil
}

// hidden returns what can be shown of a user flag: not its password.
func hidden(user string) string {
	name, password, _ := strings.Cut(user, ":")
	if password == "" {
		return user
	}
	return name + ":…"
}
