package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/relays"
	"github.com/parley-rtc/parley/relay"
)

// flags are the command line, each also a variable of the environment.
type flags struct {
	Listen      string   `group:"Serving" help:"Address to serve signaling and the editor on, by default ${default}." default:":8080" env:"PARLEY_LISTEN" placeholder:"ADDR"`
	PublicURL   string   `group:"Serving" help:"URL under which browsers reach this server; the only web origin allowed then, beside --allow-origin. By default that is the server itself, by an IP address, a name of its own network, or a name of its certificate." env:"PARLEY_PUBLIC_URL" placeholder:"URL"`
	AllowOrigin []string `group:"Serving" help:"Another web origin that may use the server, such as https://app.example. Repeatable." env:"PARLEY_ALLOW_ORIGIN" placeholder:"ORIGIN"`

	PublicIP            daemon.PublicAddress `group:"Relaying" name:"public-ip" help:"IPv4 address under which clients reach the relay; PUBLIC/PRIVATE behind a 1:1 NAT that makes the one of the other. auto, or not given: found from the interfaces, or by --probe-stun if they have none that is public or it is auto." env:"PARLEY_PUBLIC_IP" placeholder:"IP"`
	ProbeSTUN           daemon.STUNServers   `group:"Relaying" name:"probe-stun" help:"STUN server to ask for this host's public address at start, 3 s at most. Repeatable. Nobody is asked if not given." env:"PARLEY_PROBE_STUN" placeholder:"HOST[:PORT]"`
	RelayListen         string               `group:"Relaying" help:"UDP address to serve STUN and TURN on, by default ${default}." default:":3478" env:"PARLEY_RELAY_LISTEN" placeholder:"ADDR"`
	RelayPorts          daemon.PortRange     `group:"Relaying" help:"UDP ports for relayed traffic, by default ${default}." default:"49152-65535" env:"PARLEY_RELAY_PORTS" placeholder:"FIRST-LAST"`
	RelayBitsPerAddress *int64               `group:"Relaying" help:"Bits in a second that the clients of one address have relayed at most, both ways together; 0 is no limit. By default 8000000 while joining needs no token, and no limit otherwise." env:"PARLEY_RELAY_BITS_PER_ADDRESS" placeholder:"BITS"`
	Workers             int                  `group:"Relaying" help:"Workers of the relay that share its clients, each of which moves packets on a processor of its own: 1 to 256. 0: one for each two processors." default:"0" env:"PARLEY_WORKERS" placeholder:"N"`
	WideChannels        bool                 `group:"Relaying" help:"Have the relay allow channel numbers up to 0x7FFF, as old clients choose them (RFC 5766)." env:"PARLEY_WIDE_CHANNELS"`
	TurnSecret          secret               `group:"Relaying" help:"Secret that TURN credentials are signed with. Made at start if not given, and shared with --redis." env:"PARLEY_TURN_SECRET" placeholder:"SECRET"`
	TurnSecretFile      string               `group:"Relaying" help:"File with such secrets, one to a line, newest first: the first signs, all are good. Read again on SIGHUP." env:"PARLEY_TURN_SECRET_FILE" placeholder:"FILE"`
	TurnURL             []string             `group:"Relaying" help:"STUN or TURN URL of an external relay, used instead of this process's own; it shares --turn-secret or --turn-secret-file. Repeatable: URLs of one host are one relay, or those of one NAME (NAME=URL), and of several each room has one and another as backup." env:"PARLEY_TURN_URL" placeholder:"URL"`
	NoRelay             bool                 `group:"Relaying" help:"Serve no STUN and TURN." env:"PARLEY_NO_RELAY"`

	TurnOnListen string `group:"Serving" help:"Whether --listen speaks TURN, too, and clients are told so. By default (auto) it does if the relay is this process's own, and they are told if they can come to it: not behind a proxy that passes on only HTTP." enum:"auto,yes,no" default:"auto" env:"PARLEY_TURN_ON_LISTEN" placeholder:"auto|yes|no"`

	daemon.CertificateFlags `group:"Serving"`

	Redis       string `group:"Many nodes, and restarts" help:"URL of the Redis (7 or newer, or Valkey) that keeps the rooms, so that several of these processes share them: redis://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/DATABASE] for one or a cluster, redis+sentinel://…/MASTER for one behind sentinels, rediss for TLS. By default rooms are in this process." env:"PARLEY_REDIS" placeholder:"URL"`
	RedisPrefix string `group:"Many nodes, and restarts" help:"What the names of all keys begin with: another for each deployment that shares the Redis. By default parley." env:"PARLEY_REDIS_PREFIX" placeholder:"PREFIX"`

	JWTSecret   []string `group:"Who may join" name:"jwt-secret" help:"Secret of at least 32 bytes that app tokens (JWT, HS256) are signed with; joining needs a token then. Repeatable, to replace one." env:"PARLEY_JWT_SECRET" placeholder:"SECRET"`
	JWKSURL     string   `group:"Who may join" name:"jwks-url" help:"URL of the keys that app tokens (JWT; RS256, ES256, EdDSA) are signed with; joining needs a token then." env:"PARLEY_JWKS_URL" placeholder:"URL"`
	JWTIssuer   string   `group:"Who may join" name:"jwt-issuer" help:"Issuer that app tokens must name." env:"PARLEY_JWT_ISSUER" placeholder:"ISS"`
	JWTAudience string   `group:"Who may join" name:"jwt-audience" help:"Audience that app tokens must name." env:"PARLEY_JWT_AUDIENCE" placeholder:"AUD"`

	limitFlags
	drainFlags

	external       []relays.Server // of TurnURL
	found          daemon.Found    // how this host is reached
	turnSecretMade bool            // nobody gave one

	WebDir string `group:"Serving" help:"Serve the editor from this directory instead of the program itself, while developing it." env:"PARLEY_WEB_DIR" placeholder:"DIR" type:"existingdir"`

	daemon.AdminFlags `group:"Operating"`
	daemon.LogFlags   `group:"Operating"`
	CheckHealth       bool               `group:"Operating" help:"Ask the service that listens on --listen of this host for its health, and exit."`
	Version           daemon.VersionFlag `help:"Print the version and exit."`
}

// secret is a value that must not be empty if it is given.
type secret string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *secret) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("the value is empty; one is made at start if it is not given")
	}
	*s = secret(text)
	return nil
}

func parseFlags(args []string, getenv func(string) string, stdout io.Writer) (flags, error) {
	var f flags
	program := daemon.Program{
		Name:        "signal",
		Description: "Parley in one process: WebRTC signaling, a collaborative editor, and a STUN and TURN relay. signal doctor URL … says why a connection does not come about; signal doctor --help says how.",
	}
	if err := daemon.ParseFlags(program, &f, args, getenv, stdout); err != nil {
		return flags{}, err
	}
	return f, f.check()
}

// check refuses what the types of the flags allow and the service does not.
func (f *flags) check() error {
	if err := daemon.CheckListen(f.Listen, "tcp", "--listen"); err != nil {
		return err
	}
	if err := daemon.CheckListen(f.RelayListen, "udp", "--relay-listen"); err != nil {
		return err
	}
	for _, origin := range f.AllowOrigin {
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "") {
			return daemon.Usagef("--allow-origin: %q is not an origin like https://app.example", origin)
		}
	}
	if f.PublicURL != "" {
		u, err := url.Parse(f.PublicURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return daemon.Usagef("--public-url: %q is not a URL like https://parley.example", f.PublicURL)
		}
		if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil {
			return daemon.Usagef("--public-url: %q has more than a host and a path, like https://parley.example", u.Redacted())
		}
	}
	if f.PublicIP.Public.IsValid() && !f.PublicIP.Public.Is4() {
		return daemon.Usagef("--public-ip: %v is not an IPv4 address that clients can reach", f.PublicIP)
	}
	if err := f.CheckAdmin(); err != nil {
		return err
	}
	if f.RelayBitsPerAddress != nil && *f.RelayBitsPerAddress < 0 {
		return daemon.Usagef("--relay-bits-per-address: %d is negative; 0 is no limit", *f.RelayBitsPerAddress)
	}
	if f.Workers < 0 || f.Workers > relay.MaxWorkers {
		return daemon.Usagef("--workers: must be 0 to %d, got %d", relay.MaxWorkers, f.Workers)
	}
	if f.NoRelay && len(f.TurnURL) > 0 {
		return daemon.Usagef("--turn-url: --no-relay says that there is none; give one or the other (--turn-url has no relay served here, either)")
	}
	if f.TurnOnListen == "yes" && (f.NoRelay || len(f.TurnURL) > 0) {
		return daemon.Usagef("--turn-on-listen: there is no relay here to serve: --no-relay or --turn-url is given")
	}
	var err error
	if f.external, err = relays.Parse(f.TurnURL); err != nil {
		return daemon.Usagef("--turn-url: %w", err)
	}
	relayed := slices.ContainsFunc(f.external, func(s relays.Server) bool { return s.TURN })
	if f.TurnSecret != "" && f.TurnSecretFile != "" {
		return daemon.Usagef("--turn-secret-file: there is a --turn-secret already; give one or the other")
	}
	if relayed && f.TurnSecret == "" && f.TurnSecretFile == "" {
		return daemon.Usagef("--turn-url needs --turn-secret or --turn-secret-file: the secret that the external relay checks credentials with")
	}
	if !f.tokens() && (f.JWTIssuer != "" || f.JWTAudience != "") {
		return daemon.Usagef("--jwt-issuer and --jwt-audience need --jwt-secret or --jwks-url: without them no token is asked for")
	}
	if err := f.checkLimits(); err != nil {
		return err
	}
	if err := f.checkRedis(); err != nil {
		return err
	}
	if err := f.checkDrain(); err != nil {
		return err
	}
	if f.TurnSecret == "" {
		f.TurnSecret = secret(rand.Text())
		f.turnSecretMade = f.TurnSecretFile == ""
	}
	return nil
}

// openBits is what the clients of one address have relayed in open mode, where anybody gets credentials: a video
// call at 720p both ways (2.5 Mbit/s each) and files beside it, and too little to be worth stealing.
const openBits = 8_000_000

// relayBits is how many bits in a second the clients of one address have relayed; 0: no limit.
func (f *flags) relayBits() int64 {
	switch {
	case f.RelayBitsPerAddress != nil:
		return *f.RelayBitsPerAddress
	case f.tokens():
		return 0
	}
	return openBits
}

// warnOpen says in the log who may do what where no token is asked for.
func (f *flags) warnOpen(log *slog.Logger, relays bool) {
	switch {
	case f.tokens():
	case len(f.TurnURL) > 0:
		log.Warn("open mode: anybody who reaches this server may join any room whose name they know, and gets credentials for the external relay, "+
			"which has to limit their bandwidth itself; --jwt-secret or --jwks-url ask for tokens", "turn_urls", f.TurnURL)
	case relays:
		log.Warn("open mode: anybody who reaches this server may join any room whose name they know, and use its relay; "+
			"--jwt-secret or --jwks-url ask for tokens", "relay_bits_per_address", f.relayBits())
	default:
		log.Warn("open mode: anybody who reaches this server may join any room whose name they know; --jwt-secret or --jwks-url ask for tokens")
	}
}

// findPublic finds this host's address unless it is given, and warns if few can use it.
func (f *flags) findPublic(ctx context.Context, log *slog.Logger) {
	f.found = daemon.Found{Public: f.PublicIP.Public, Private: f.PublicIP.Private, How: "given"}
	if !f.found.Public.IsValid() {
		f.found = daemon.FindPublic(ctx, f.PublicIP.Auto, f.ProbeSTUN, log)
	}
	if !f.NoRelay && len(f.TurnURL) == 0 {
		log.Info("public address", "public_ip", f.found.Public, "found", f.found.How)
		daemon.WarnOfPublic(f.found.Public, f.ProbeSTUN, log)
	}
}

// publicIP is what findPublic found, or would find by itself.
func (f *flags) publicIP() netip.Addr {
	switch {
	case f.found.Public.IsValid():
		return f.found.Public
	case f.PublicIP.Public.IsValid():
		return f.PublicIP.Public
	}
	return daemon.PublicIP()
}

// announce prints what to open.
func (f *flags) announce(w io.Writer, listening *net.TCPAddr, urls []string, admin net.Listener, certificates *daemon.Certificates) {
	scheme, name := "http", ""
	if certificates != nil {
		scheme, name = "https", certificates.Name()
	}
	address := func(host string) string { return originAt(scheme, host, listening.Port) + "/" }
	local, everywhere := listening.IP.String(), listening.IP.IsUnspecified()
	if everywhere {
		local = "localhost"
	}
	var b strings.Builder
	b.WriteByte('\n')
	switch ip := f.publicIP(); {
	case f.PublicURL != "":
		fmt.Fprintf(&b, "  Open       %s\n", f.PublicURL)
		fmt.Fprintf(&b, "  Listening  %s\n", address(local))
	case name != "":
		fmt.Fprintf(&b, "  Open       %s\n", address(name))
		fmt.Fprintf(&b, "  Listening  %s\n", address(local))
	case everywhere && !ip.IsLoopback():
		fmt.Fprintf(&b, "  Open       %s\n", address(local))
		fmt.Fprintf(&b, "  Others     %s\n", address(ip.String()))
	default:
		fmt.Fprintf(&b, "  Open       %s\n", address(local))
	}
	switch {
	case len(f.external) > 0:
		for _, relay := range f.external {
			fmt.Fprintf(&b, "  Relay      %s\n", strings.Join(relay.URLs, " "))
		}
	case len(urls) > 0:
		fmt.Fprintf(&b, "  Relay      %s, ports %v/udp\n", strings.Join(urls, " "), f.RelayPorts)
	default:
		b.WriteString("  Relay      none: peers behind symmetric NATs will not reach each other\n")
	}
	if admin != nil {
		fmt.Fprintf(&b, "  Admin      http://%s/metrics\n", admin.Addr())
	}
	if f.Redis != "" {
		b.WriteString("  Rooms      in Redis, shared with the other nodes\n")
	}
	if f.tokens() {
		b.WriteString("  Access     with an app token\n\n")
	} else {
		b.WriteString("  Access     whoever can open this address may join any room whose name they know\n\n")
	}
	_, _ = io.WriteString(w, b.String()) // nobody is watching
}
