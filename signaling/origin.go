package signaling

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/parley-rtc/parley/internal/hostname"
	"github.com/parley-rtc/parley/internal/wire"
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
	return s.originConfigured(origin, host) || s.cfg.AllowOrigin != nil && s.cfg.AllowOrigin(origin)
}

func (s *Server) originConfigured(origin, host string) bool {
	if len(s.cfg.Origins) > 0 {
		return slices.ContainsFunc(s.cfg.Origins, func(allowed string) bool {
			return allowed == "*" || strings.EqualFold(allowed, origin)
		})
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host) && hostname.Own(u.Hostname())
}

// normalOrigin writes a configured origin as browsers do.
func normalOrigin(origin string) (string, error) {
	if origin == "*" {
		return origin, nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || strings.Contains(u.Host, "*") || strings.ContainsFunc(u.Host, notASCII) ||
		u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("%q is not an origin like https://app.example", origin)
	}
	defaults := map[string]string{"http": "80", "https": "443"}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port != "" && port == defaults[strings.ToLower(u.Scheme)] {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return strings.ToLower(u.Scheme) + "://" + host, nil
}

func notASCII(r rune) bool { return r > unicode.MaxASCII }

// denied says once in the log that an origin was refused: without it the operator
// sees nothing, and the user only a page that does not connect. Of so many: others make up as many as they like.
func (s *Server) denied(origin string) *wire.Error {
	s.mu.Lock()
	isNew := !s.strangers[origin] && len(s.strangers) < maxStrangers
	if isNew {
		s.strangers[origin] = true
	}
	s.mu.Unlock()
	if isNew {
		s.log.Warn("origin denied; Config.Origins (--public-url, --allow-origin) can allow it", "origin", wire.ClipText(origin, 128))
	}
	return wire.Refusef(wire.OriginDenied, "requests from %s are not allowed here; the operator can allow them", wire.ClipText(origin, 128))
}

// maxStrangers is how many refused origins are logged, and remembered so that each is once.
const maxStrangers = 64

// preflight answers what a browser asks before a request across sites (Fetch, section 3.2).
func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Parley-After")
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}
