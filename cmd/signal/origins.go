package main

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/parley-rtc/parley/internal/daemon"
)

// origins are those that may use the server; nil: the server's own, as it is called.
func (f *flags) origins() []string {
	origins := f.AllowOrigin
	if u, err := url.Parse(f.PublicURL); err == nil && u.Host != "" {
		origins = append([]string{u.Scheme + "://" + u.Host}, origins...)
	}
	return origins
}

// originOfCertificate allows the pages of this server itself, under the names of its certificate, which may change; nil:
// there are none, or --public-url says which. A wildcard's names may be other servers' and are not among them.
func (f *flags) originOfCertificate(port int, certificates *daemon.Certificates) func(origin string) bool {
	if f.PublicURL != "" || certificates == nil {
		return nil
	}
	return func(origin string) bool {
		u, err := url.Parse(origin)
		if err != nil || !certificates.Named(u.Hostname()) {
			return false
		}
		return strings.EqualFold(origin, originAt("https", u.Hostname(), port)) ||
			f.ACMEDomain != nil && strings.EqualFold(origin, originAt("https", u.Hostname(), 443)) // which leads here, or there is no certificate
	}
}

// originAt writes an origin as browsers do: without the port that a URL of the scheme has anyway.
func originAt(scheme, host string, port int) string {
	if scheme == "https" && port == 443 || scheme == "http" && port == 80 {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))
}
