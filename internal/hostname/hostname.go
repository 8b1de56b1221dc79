// Package hostname judges the names under which a server is called.
package hostname

import (
	"net"
	"net/netip"
	"strings"
)

// Own says whether a host name cannot be made to point here by a stranger's DNS: an IP address,
// localhost, one without a dot, or one under .local or .localhost. With any other, a page of the stranger's could
// pass as the server's own (DNS rebinding).
func Own(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && !strings.Contains(host, ".") ||
		strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".localhost")
}

// Of returns the name in a Host header, without the port.
func Of(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(header, "["), "]")
}
