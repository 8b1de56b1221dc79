package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

const (
	dialTime   = 3 * time.Second
	redisPort  = "6379"
	sentryPort = "26379"

	maxRedirections = 5 // of a step in a cluster; servers that do not agree would send it to and fro for 2 s
)

// Address names the servers of a Redis.
type Address struct{ option rueidis.ClientOption }

// ParseURL reads the URL of a Redis:
//
//	redis://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/DATABASE]
//	redis+sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/MASTER[/DATABASE]
//
// The first is a single server, or some nodes of a Redis Cluster, which need not be said. The second are sentinels and the name that they
// know the master by. With rediss instead of redis everything goes over TLS. Parameters, after a question mark and with & between them: ca, a file with
// the authorities to trust instead of the system's; cert and key, files with a certificate to show; sentinel_user and sentinel_password, where those of the
// sentinels are others. No error shows the password.
func ParseURL(text string) (Address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return Address{}, errors.New("it is not a URL like redis://host:6379")
	}
	plain, sentinel := strings.CutSuffix(scheme, "+sentinel")
	if plain != "redis" && plain != "rediss" {
		return Address{}, fmt.Errorf("its scheme is %q; it must be redis, rediss, redis+sentinel or rediss+sentinel", scheme)
	}
	authority, path := rest, ""
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		authority, path = rest[:at], rest[at:]
	}
	user, hosts := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, hosts = authority[:at+1], authority[at+1:]
	}
	u, err := url.Parse("redis://" + user + "host" + path) // several hosts are no URL
	if err != nil || strings.Contains(path, "@") {
		// What is before an @ there, which is written %40, may be of a password, and is not to be shown.
		return Address{}, errors.New("its user, password, path or parameters are not written as in a URL: / ? # @ : and % in a password are %2F %3F %23 %40 %3A and %25")
	}
	if u.Fragment != "" {
		return Address{}, errors.New("it has a fragment; a # in a password is written %23")
	}
	o := rueidis.ClientOption{
		DisableCache: true, PipelineMultiplex: -1, DisableRetry: true, ClientName: "parley",
		Dialer: net.Dialer{Timeout: dialTime, KeepAlive: time.Second}, ConnWriteTimeout: connTime,
		Username: u.User.Username(),
	}
	o.ClusterOption.MaxMovedRedirections = maxRedirections
	o.Password, _ = u.User.Password()
	port := redisPort
	if sentinel {
		port = sentryPort
	}
	for host := range strings.SplitSeq(hosts, ",") {
		address, err := withPort(host, port)
		if err != nil {
			return Address{}, err
		}
		o.InitAddress = append(o.InitAddress, address)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if sentinel {
		if o.Sentinel.MasterSet = parts[0]; parts[0] == "" {
			return Address{}, errors.New("it does not name the master that the sentinels watch, as redis+sentinel://host:26379/NAME does")
		}
		o.Sentinel.TopologyRefreshInterval = 5 * time.Second
		o.Sentinel.Username, o.Sentinel.Password = o.Username, o.Password
		parts = parts[1:]
	}
	switch {
	case len(parts) > 1:
		return Address{}, fmt.Errorf("its path %q has too many parts", u.Path)
	case len(parts) == 1 && parts[0] != "":
		if o.SelectDB, err = strconv.Atoi(parts[0]); err != nil || o.SelectDB < 0 {
			return Address{}, fmt.Errorf("its database %q is not a number", parts[0])
		}
	}
	query := u.Query()
	for name := range query {
		switch name {
		case "ca", "cert", "key":
			if plain != "rediss" {
				return Address{}, fmt.Errorf("its parameter %s needs TLS: rediss instead of redis", name)
			}
		case "sentinel_user", "sentinel_password":
			if !sentinel {
				return Address{}, fmt.Errorf("its parameter %s needs sentinels", name)
			}
		default:
			return Address{}, fmt.Errorf("its parameter %q is none of ca, cert, key, sentinel_user and sentinel_password", name)
		}
	}
	if query.Has("sentinel_user") || query.Has("sentinel_password") {
		o.Sentinel.Username, o.Sentinel.Password = query.Get("sentinel_user"), query.Get("sentinel_password")
	}
	if plain == "rediss" {
		if o.TLSConfig, err = tlsOf(query); err != nil {
			return Address{}, err
		}
		o.Sentinel.TLSConfig = o.TLSConfig
	}
	o.Sentinel.Dialer = o.Dialer
	return Address{o}, nil
}

// withPort returns the address of a host that may have a port.
func withPort(host, port string) (string, error) {
	name := host
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
		name, port = host[:at], host[at+1:]
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("the port of its host %q is not a number from 1 to 65535", host)
	}
	if name == "" || strings.ContainsAny(name, " \t[]@") || strings.Contains(name, ":") && net.ParseIP(name) == nil {
		return "", fmt.Errorf("its host %q is not a name or an address (IPv6 in brackets)", host)
	}
	return net.JoinHostPort(name, port), nil
}

// tlsOf reads the files that the parameters name.
func tlsOf(query url.Values) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := query.Get("ca"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("its parameter ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("its parameter ca: %s holds no certificate", file)
		}
	}
	if query.Has("cert") != query.Has("key") {
		return nil, errors.New("its parameters cert and key need each other")
	}
	if query.Has("cert") {
		pair, err := tls.LoadX509KeyPair(query.Get("cert"), query.Get("key"))
		if err != nil {
			return nil, fmt.Errorf("its parameters cert and key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
