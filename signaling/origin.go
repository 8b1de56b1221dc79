package signaling

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// allowOrigin says whether a request may be made from the site it comes from,
// and allows that site's scripts to read the answer.
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if !s.originAllowed(origin, r.Host) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	return true
}

func (s *Server) originAllowed(origin, host string) bool {
	if len(s.cfg.Origins) > 0 {
		return slices.ContainsFunc(s.cfg.Origins, func(allowed string) bool {
			return allowed == "*" || strings.EqualFold(allowed, origin)
		})
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host) && ownName(u.Hostname())
}

// ownName says whether a host name cannot be made to point here by a stranger's DNS.
// With any other, a page of the stranger's could pass as the server's own
// origin (DNS rebinding).
func ownName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && !strings.Contains(host, ".") ||
		strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".localhost")
}

// preflight answers what a browser asks before a request across sites (Fetch, section 3.2).
func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Parley-After")
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}

// clientAddress is the address that a request came from, for the log.
func clientAddress(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
