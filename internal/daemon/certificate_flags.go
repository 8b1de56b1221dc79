package daemon

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// CertificateFlags are the flags that say where the certificate for TLS and DTLS comes from: from files, or from a
// certificate authority that speaks ACME (RFC 8555). Embed them in a command's flags.
type CertificateFlags struct {
	TLSCert string `name:"tls-cert" help:"File with the certificate for TLS and DTLS and those that lead to a root, in PEM; read again when it changes." env:"PARLEY_TLS_CERT" placeholder:"FILE"`
	TLSKey  string `name:"tls-key" help:"File with its key, in PEM." env:"PARLEY_TLS_KEY" placeholder:"FILE"`

	ACMEDomain    []string `name:"acme-domain" help:"Name of this host to have a certificate made for by Let's Encrypt, which has to reach this host's TLS under port 443 of the name. Repeatable." env:"PARLEY_ACME_DOMAIN" placeholder:"NAME"`
	ACMECache     string   `name:"acme-cache" help:"Directory that keeps those certificates and their keys; by default one of the user's caches." env:"PARLEY_ACME_CACHE" placeholder:"DIR"`
	ACMEEmail     string   `name:"acme-email" help:"Address that Let's Encrypt may write to." env:"PARLEY_ACME_EMAIL" placeholder:"ADDRESS"`
	ACMEDirectory string   `name:"acme-directory" help:"URL of the directory of another certificate authority that speaks ACME." env:"PARLEY_ACME_DIRECTORY" placeholder:"URL"`
}

// Certificates opens what the flags name; nil: they name nothing. The error is a [UsageError] that names the flag. What
// is odd and works all the same, such as a certificate that has expired, is logged.
func (f *CertificateFlags) Certificates(log *slog.Logger) (*Certificates, error) {
	files := f.TLSCert != "" || f.TLSKey != ""
	switch {
	case files && f.ACMEDomain != nil:
		return nil, Usagef("--acme-domain: there is a certificate in --tls-cert and --tls-key already; give one or the other")
	case f.ACMEDomain != nil:
		return f.fromACME(log)
	case f.ACMECache != "" || f.ACMEEmail != "" || f.ACMEDirectory != "":
		return nil, Usagef("--acme-cache, --acme-email and --acme-directory need --acme-domain: the name that a certificate is made for")
	case !files:
		return nil, nil
	case f.TLSCert == "":
		return nil, Usagef("--tls-key: its certificate, --tls-cert, is missing")
	case f.TLSKey == "":
		return nil, Usagef("--tls-cert: its key, --tls-key, is missing")
	}
	pair := &keyPair{certFile: f.TLSCert, keyFile: f.TLSKey, log: log}
	if err := pair.reload(); err != nil {
		return nil, &UsageError{Err: err}
	}
	return &Certificates{source: pair}, nil
}

func (f *CertificateFlags) fromACME(log *slog.Logger) (*Certificates, error) {
	if len(f.ACMEDomain) == 0 {
		return nil, Usagef("--acme-domain: the value is empty")
	}
	var domains []string
	for _, text := range f.ACMEDomain {
		domain := strings.ToLower(strings.TrimSuffix(text, "."))
		if err := checkDomain(domain); err != nil {
			return nil, Usagef("--acme-domain: %q %w", text, err)
		}
		if !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	if f.ACMEDirectory != "" {
		u, err := url.Parse(f.ACMEDirectory)
		if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
			return nil, Usagef("--acme-directory: %q is not a URL like https://ca.example/directory", f.ACMEDirectory)
		}
	}
	dir := f.ACMECache
	if dir == "" {
		caches, err := os.UserCacheDir()
		if err != nil {
			return nil, Usagef("--acme-cache is needed: there is no other place to keep certificates in (%w)", err)
		}
		dir = filepath.Join(caches, "parley", "acme")
	}
	if err := checkWritable(dir); err != nil {
		return nil, Usagef("--acme-cache: certificates cannot be kept in %s: %w", dir, err)
	}
	return &Certificates{source: newACME(domains, dir, f.ACMEEmail, f.ACMEDirectory, log)}, nil
}

// WarnOfACME says in the log if no certificate can be had unless something in front passes port 443 on to here. Listening
// are the addresses of TLS.
func (f *CertificateFlags) WarnOfACME(log *slog.Logger, listening ...net.Addr) {
	if f.ACMEDomain == nil {
		return
	}
	var texts []string // in JSON, too
	for _, addr := range listening {
		texts = append(texts, addr.String())
		if tcp, is := addr.(*net.TCPAddr); is && tcp.Port == 443 && !tcp.IP.IsLoopback() {
			return
		}
	}
	log.Warn("port 443 of the names of --acme-domain must be forwarded here, or no certificate can be made for them: "+
		"the authority connects to it, and TLS is served elsewhere, or on loopback alone", "domains", f.ACMEDomain, "listening", texts)
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`)

// checkDomain says why no certificate can be had for a name by ACME's tls-alpn-01.
func checkDomain(domain string) error {
	_, notIP := netip.ParseAddr(domain)
	switch {
	case strings.Contains(domain, "/") || strings.Contains(domain, ":") && net.ParseIP(domain) == nil:
		return errors.New("is not a name alone, like rtc.example")
	case notIP == nil:
		return errors.New("is an address; certificates are made for names")
	case strings.HasPrefix(domain, "*"):
		return errors.New("is a wildcard, which needs DNS to prove; name each host, or use --tls-cert")
	case len(domain) > 253 || !hostName.MatchString(domain):
		return errors.New("is not a full host name like rtc.example (write international ones as xn--…)")
	}
	return nil
}

// checkWritable makes a directory for secrets, and tries to write there.
func checkWritable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".writable")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}
