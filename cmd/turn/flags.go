package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/relay"
)

var program = daemon.Program{
	Name: "turn",
	Description: "Parley's relay: STUN and TURN over UDP, TCP, TLS and DTLS, for peers that have no direct path. " +
		"turn check URL … tests a relay that runs; turn check --help says how.",
}

// flags are the command line. What is repeatable is separated by commas in the environment.
type flags struct {
	Listen    []string `group:"Listening" help:"UDP address to serve on, over DTLS as well if there is a certificate; repeatable." default:":3478" env:"PARLEY_LISTEN"`
	ListenTCP []string `group:"Listening" name:"listen-tcp" help:"TCP address to serve on; repeatable. By default those of --listen; off: none." env:"PARLEY_LISTEN_TCP" placeholder:"ADDR"`
	ListenTLS []string `group:"Listening" name:"listen-tls" help:"TCP address to serve on over TLS; repeatable." env:"PARLEY_LISTEN_TLS" placeholder:"ADDR"`

	daemon.CertificateFlags `group:"Listening"`

	Alternate []string `group:"Listening" help:"Server to send new clients to while this one stops, for IPv4 or IPv6, and for one transport or all; with the name in its certificate, for clients over TLS and DTLS. Repeatable." env:"PARLEY_ALTERNATE" placeholder:"[udp:|tcp:|tls:|dtls:]IP:PORT[/NAME]"`

	PublicIP      []daemon.PublicAddress `group:"Relaying" name:"public-ip" help:"Address that peers reach this host under, one of IPv4, of IPv6, or one of each; PUBLIC/PRIVATE behind a 1:1 NAT that makes the one of the other. auto, or not given: of IPv4, and found from the interfaces, or by --probe-stun if they have none that is public or it is auto." env:"PARLEY_PUBLIC_IP" placeholder:"IP"`
	ProbeSTUN     daemon.STUNServers     `group:"Relaying" name:"probe-stun" help:"STUN server to ask for this host's public address at start, 3 s at most; repeatable. Nobody is asked if not given." env:"PARLEY_PROBE_STUN" placeholder:"HOST[:PORT]"`
	RelayBind     []netip.Addr           `group:"Relaying" help:"Address to bind relay sockets to, if only one of this host's; repeatable like --public-ip." env:"PARLEY_RELAY_BIND" placeholder:"IP"`
	Ports         daemon.PortRange       `group:"Relaying" help:"Ports of relayed addresses." default:"49152-65535" env:"PARLEY_PORTS"`
	DefaultFamily string                 `group:"Relaying" help:"What clients get that ask for no address family: ipv4, or keep for the one they come from; keep where there is no IPv4." env:"PARLEY_DEFAULT_FAMILY" placeholder:"ipv4|keep"`
	RelayTCP      bool                   `group:"Relaying" name:"relay-tcp" help:"Relay TCP, too, for clients that come over TCP or TLS (RFC 6062)." env:"PARLEY_RELAY_TCP"`
	UDPMode       string                 `group:"Relaying" name:"udp-mode" help:"How UDP packets are moved: offload, batch or plain; others than the first are for systems on which it fails." enum:"offload,batch,plain" default:"offload" env:"PARLEY_UDP_MODE" placeholder:"MODE"`
	Workers       int                    `group:"Relaying" help:"Workers that share the clients, each of which moves packets on a processor of its own: 1 to 256. 0: one for each two processors." default:"0" env:"PARLEY_WORKERS" placeholder:"N"`
	WideChannels  bool                   `group:"Relaying" help:"Allow channel numbers up to 0x7FFF, as old clients choose them (RFC 5766)." env:"PARLEY_WIDE_CHANNELS"`
	AllowPeer     []network              `group:"Relaying" help:"Peers to allow although denied by default; repeatable." env:"PARLEY_ALLOW_PEER" placeholder:"CIDR"`
	DenyPeer      []network              `group:"Relaying" help:"Peers to deny in any case; repeatable." env:"PARLEY_DENY_PEER" placeholder:"CIDR"`
	PeersFile     string                 `group:"Relaying" help:"File with more of both, \"allow CIDR\" or \"deny CIDR\" to a line; read again on SIGHUP." env:"PARLEY_PEERS_FILE" placeholder:"FILE"`
	AllowLoopback bool                   `group:"Relaying" help:"Allow peers on this host's loopback addresses, for development." env:"PARLEY_ALLOW_LOOPBACK"`
	NAT64         []translator           `group:"Relaying" name:"nat64" help:"NAT64 prefix of this host's network, besides 64:ff9b::/96; repeatable." env:"PARLEY_NAT64" placeholder:"CIDR"`

	Realm        string        `group:"Credentials" help:"Authentication realm." default:"parley" env:"PARLEY_REALM"`
	Secret       []string      `group:"Credentials" help:"Secret shared with whoever mints time-limited credentials; repeatable, newest first. One is made up and printed if there is none, and no user." env:"PARLEY_SECRET"`
	User         []string      `group:"Credentials" help:"User with a fixed password; repeatable." env:"PARLEY_USER" placeholder:"NAME:PASSWORD"`
	SecretFile   string        `group:"Credentials" help:"File with such secrets, one to a line, newest first; read again on SIGHUP." env:"PARLEY_SECRET_FILE" placeholder:"FILE"`
	UserFile     string        `group:"Credentials" help:"File with users, name:password to a line; read again on SIGHUP." env:"PARLEY_USER_FILE" placeholder:"FILE"`
	StrictExpiry bool          `group:"Credentials" help:"End allocations when their time-limited credential expires." env:"PARLEY_STRICT_EXPIRY"`
	MaxSession   time.Duration `group:"Credentials" help:"How long an allocation may live." default:"24h" env:"PARLEY_MAX_SESSION"`

	MaxAllocations          int           `group:"Limits" help:"Allocations at once. 0: as many as there are ports." default:"0" env:"PARLEY_MAX_ALLOCATIONS"`
	MaxAllocationsPerUser   int           `group:"Limits" help:"Allocations of a user." default:"64" env:"PARLEY_MAX_ALLOCATIONS_PER_USER"`
	MaxAllocationsPerSource int           `group:"Limits" help:"Allocations of the clients of one IPv4 address or IPv6 /64." default:"1000" env:"PARLEY_MAX_ALLOCATIONS_PER_SOURCE"`
	MaxConnectionsPerSource int           `group:"Limits" help:"Their TCP and DTLS connections." default:"4096" env:"PARLEY_MAX_CONNECTIONS_PER_SOURCE"`
	MaxPermissions          int           `group:"Limits" help:"Permissions of an allocation." default:"256" env:"PARLEY_MAX_PERMISSIONS"`
	MaxChannels             int           `group:"Limits" help:"Channels of an allocation." default:"256" env:"PARLEY_MAX_CHANNELS"`
	MaxNewPeers             int           `group:"Limits" help:"New peers of an allocation at once." default:"100" env:"PARLEY_MAX_NEW_PEERS"`
	MaxNewPeersPerSecond    int           `group:"Limits" help:"And in each second then." default:"20" env:"PARLEY_MAX_NEW_PEERS_PER_SECOND"`
	MaxHandshakes           int           `group:"Limits" help:"DTLS handshakes going on at once." default:"1000" env:"PARLEY_MAX_HANDSHAKES"`
	AuthTimeout             time.Duration `group:"Limits" help:"How long a TCP, TLS or DTLS connection may take to authenticate." default:"10s" env:"PARLEY_AUTH_TIMEOUT"`
	BitsPerAllocation       int64         `group:"Limits" help:"Bits of payload an allocation relays in a second, both ways together. 0: no limit." default:"0" env:"PARLEY_BITS_PER_ALLOCATION"`
	BitsPerAddress          int64         `group:"Limits" help:"The same for all clients of one IPv4 address or IPv6 /64 together." default:"0" env:"PARLEY_BITS_PER_ADDRESS"`
	Bits                    int64         `group:"Limits" help:"The same for all clients together." default:"0" env:"PARLEY_BITS"`

	found daemon.Found // how the public address was

	daemon.AdminFlags `group:"Operating"`
	daemon.LogFlags   `group:"Operating"`

	Version daemon.VersionFlag `help:"Print the version and exit."`
}

// made says whether a secret has to be made up.
func (f flags) made() bool {
	return f.Secret == nil && f.User == nil && f.SecretFile == "" && f.UserFile == "" // empty is not nil, and an error
}

// config returns the relay's configuration; the error names the flag that is wrong.
func (f *flags) config(ctx context.Context, log *slog.Logger) (relay.Config, error) {
	cfg := relay.Config{
		Logger:                  log,
		Realm:                   f.Realm,
		MinPort:                 f.Ports.Min,
		MaxPort:                 f.Ports.Max,
		TCPRelaying:             f.RelayTCP,
		UDPMode:                 f.UDPMode,
		Workers:                 f.Workers,
		WideChannels:            f.WideChannels,
		AllowLoopback:           f.AllowLoopback,
		NAT64:                   translatorPrefixes(f.NAT64),
		StrictExpiry:            f.StrictExpiry,
		MaxSession:              f.MaxSession,
		MaxAllocations:          f.MaxAllocations,
		MaxAllocationsPerUser:   f.MaxAllocationsPerUser,
		MaxAllocationsPerSource: f.MaxAllocationsPerSource,
		MaxConnectionsPerSource: f.MaxConnectionsPerSource,
		MaxPermissions:          f.MaxPermissions,
		MaxChannels:             f.MaxChannels,
		NewPeers:                f.MaxNewPeers,
		NewPeersPerSecond:       f.MaxNewPeersPerSecond,
		MaxHandshakes:           f.MaxHandshakes,
		AuthTimeout:             f.AuthTimeout,
		BitsPerAllocation:       f.BitsPerAllocation,
		BitsPerAddress:          f.BitsPerAddress,
		Bits:                    f.Bits,
	}
	if err := f.check(); err != nil {
		return cfg, err
	}
	if err := f.CheckAdmin(); err != nil {
		return cfg, err
	}
	if err := f.addresses(ctx, &cfg, log); err != nil {
		return cfg, err
	}
	if err := f.alternates(&cfg); err != nil {
		return cfg, err
	}
	if err := f.access(&cfg, log); err != nil {
		return cfg, err
	}
	return cfg, nil
}

// check finds what is empty or out of bounds.
func (f flags) check() error {
	for _, given := range []struct {
		flag   string
		values []string
	}{
		{"--listen", f.Listen},
		{"--listen-tcp", f.ListenTCP},
		{"--listen-tls", f.ListenTLS},
		{"--secret", f.Secret},
		{"--probe-stun", f.ProbeSTUN},
		{"--user", f.User},
	} {
		if given.values != nil && len(given.values) == 0 {
			return fmt.Errorf("%s: the value is empty", given.flag)
		}
	}
	switch {
	case f.Realm == "":
		return errors.New("--realm: the value is empty")
	case len(f.Realm) > maxRealm:
		return fmt.Errorf("--realm: is %d bytes long, at most %d are allowed", len(f.Realm), maxRealm)
	case f.Workers < 0 || f.Workers > relay.MaxWorkers:
		return fmt.Errorf("--workers: must be 0 to %d, got %d", relay.MaxWorkers, f.Workers)
	case f.DefaultFamily != "" && f.DefaultFamily != "ipv4" && f.DefaultFamily != "keep":
		return fmt.Errorf("--default-family: must be ipv4 or keep, got %q", f.DefaultFamily)
	}
	if err := f.checkTwice(); err != nil {
		return err
	}
	for _, limit := range []struct {
		flag         string
		value, least int64
	}{
		{"--max-session", int64(f.MaxSession), int64(time.Second)},
		{"--max-allocations", int64(f.MaxAllocations), 0},
		{"--max-allocations-per-user", int64(f.MaxAllocationsPerUser), 1},
		{"--max-allocations-per-source", int64(f.MaxAllocationsPerSource), 1},
		{"--max-connections-per-source", int64(f.MaxConnectionsPerSource), 1},
		{"--max-permissions", int64(f.MaxPermissions), 1},
		{"--max-channels", int64(f.MaxChannels), 1},
		{"--max-new-peers", int64(f.MaxNewPeers), 1},
		{"--max-new-peers-per-second", int64(f.MaxNewPeersPerSecond), 1},
		{"--max-handshakes", int64(f.MaxHandshakes), 1},
		{"--auth-timeout", int64(f.AuthTimeout), int64(time.Second)},
		{"--bits-per-allocation", f.BitsPerAllocation, 0},
		{"--bits-per-address", f.BitsPerAddress, 0},
		{"--bits", f.Bits, 0},
	} {
		if limit.value < limit.least {
			least, value := fmt.Sprint(limit.least), fmt.Sprint(limit.value)
			if limit.least == int64(time.Second) {
				least, value = time.Duration(limit.least).String(), time.Duration(limit.value).String()
			}
			return fmt.Errorf("%s: must be at least %s, got %s", limit.flag, least, value)
		}
	}
	return nil
}

// maxRealm is how many bytes a realm may have (RFC 8489 section 14.9).
const maxRealm = 127

// checkTwice finds addresses to listen on that are given twice.
func (f flags) checkTwice() error {
	for _, given := range []struct {
		flag  string
		addrs []string
	}{{"--listen", f.Listen}, {"--listen-tcp", f.ListenTCP}, {"--listen-tls", f.ListenTLS}} {
		for i, addr := range given.addrs {
			if slices.Contains(given.addrs[:i], addr) && !strings.HasSuffix(addr, ":0") { // of port 0 each has its own
				return fmt.Errorf("%s: %s is given twice", given.flag, addr)
			}
		}
	}
	return nil
}

// tcp are the addresses to serve TCP on: where clients that have no UDP look first is the port of UDP.
func (f flags) tcp() []string {
	switch {
	case f.ListenTCP == nil:
		return f.Listen
	case len(f.ListenTCP) == 1 && f.ListenTCP[0] == "off":
		return nil
	}
	return f.ListenTCP
}
